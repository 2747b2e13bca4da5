"""What is wrong with the words behind `recognize`, and what was probably meant."""

import difflib
import os
import shlex
from collections.abc import Sequence

from pipelines.faces.limits import EXTENSIONS

COMMANDS = ("verify", "enroll", "identify", "gallery", "calibrate")
# How the names of photographs end, those of `containers` too.
PHOTOGRAPHS = (*EXTENSIONS, ".tif", ".tiff", ".heic", ".heif", ".avif")


def check_words(words: Sequence[str]) -> None:
    """Looks whether words are a command with what it takes.

    Args:
        words: a command's name and what follows it, without flags.

    Raises:
        ValueError: if they are none, in one line that shows what to type.
    """
    command, *rest = words or [""]
    mistake = _MISTAKES.get(command, lambda _: _no_command(words))(rest)
    if mistake:
        raise ValueError(f"{mistake}.")


def looks_like_photograph(word: str) -> bool:
    """Whether a word is named as a file with a photograph is."""
    return word.lower().endswith(PHOTOGRAPHS)


def _typed(*words):
    """A command as one would type it; words in capitals and … stand for others."""
    return "'" + " ".join(word if "…" in word else shlex.quote(word) for word in words) + "'"


def _no_command(words):
    if not words:
        return (
            "A command is missing: give verify A B, enroll NAME PHOTO…, identify PHOTO…, gallery "
            "list, gallery remove NAME, or calibrate --data=DIR; --help says more"
        )
    word, given = words[0], " ".join(words)
    if looks_like_photograph(word) or os.path.exists(word):
        return (
            f"'{given}' is no command: {_typed('identify', word)} tells who is in a photograph, "
            f"{_typed('enroll', 'NAME', word)} adds a person"
        )
    other = {"list": "gallery list", "remove": "gallery remove NAME"}.get(word)
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.6)
    hint = f"did you mean {other or near[0]}? " if other or near else ""
    return f"'{given}' is no command: {hint}They are {', '.join(COMMANDS)}; --help says more"


def _verify(rest):
    if len(rest) == 2:
        return None
    first, second = [*rest, "A.jpg", "B.jpg"][:2] if len(rest) != 1 else [rest[0], "OTHER.jpg"]
    return f"verify takes two photographs, got {len(rest)}: {_typed('verify', first, second)}"


def _enroll(rest):
    if not rest or (len(rest) == 1 and not looks_like_photograph(rest[0])):
        name = rest[0] if rest else "NAME"
        return f"enroll takes a name and photographs: {_typed('enroll', name, 'PHOTO…')}"
    name, *photos = rest
    missing = [word for word in photos if not (looks_like_photograph(word) or os.path.exists(word))]
    if looks_like_photograph(name):
        # The name is what is no photograph, if it is there at all.
        files = [name, *(word for word in photos if word not in missing)]
        return (
            f"enroll takes the name first, and {name} is a photograph: "
            f"{_typed('enroll', ' '.join(missing) or 'NAME', *files)}"
        )
    if missing and missing == photos[: len(missing)]:
        if len(missing) < len(photos):  # a name of several words
            files = photos[len(missing) :]
            return (
                f"There is no photograph {missing[0]}; a name of several words stands in quotation "
                f"marks: {_typed('enroll', ' '.join([name, *missing]), *files)}"
            )
        if os.path.exists(name):
            return (
                f"enroll takes the name first, and {name} is a file or folder: "
                f"{_typed('enroll', ' '.join(missing), name)}"
            )
    return None


def _identify(rest):
    return None if rest else f"identify takes photographs: {_typed('identify', 'PHOTO…')}"


def _gallery(rest):
    match rest:
        case ["list"] | ["remove", _]:
            return None
        case ["remove"]:
            return f"Who is to be removed? {_typed('gallery', 'remove', 'NAME')}"
        case ["remove", *names]:
            return (
                "gallery remove takes one name; one of several words stands in quotation marks: "
                f"{_typed('gallery', 'remove', ' '.join(names))}"
            )
    given = " ".join(["gallery", *rest])
    return (
        f"'{given}' is no command: {_typed('gallery', 'list')} shows who is in the gallery, "
        f"{_typed('gallery', 'remove', 'NAME')} removes a person"
    )


def _calibrate(rest):
    if not rest:
        return None
    return f"calibrate takes a folder of faces as a flag: 'calibrate --data={shlex.quote(rest[0])}'"


_MISTAKES = {
    "verify": _verify,
    "enroll": _enroll,
    "identify": _identify,
    "gallery": _gallery,
    "calibrate": _calibrate,
}
