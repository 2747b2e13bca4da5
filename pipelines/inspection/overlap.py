"""People and files that two sets of faces have in common, by their names."""

import os
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

# A first word with which so many identities begin may be the name of their data set.
PREFIX = 3
# A number so long is one that a site gave to a photograph, not a running one.
LONG_NUMBER = 7


class NamesInCommon(NamedTuple):
    """Identities of two sets whose names agree, lists of pairs (identity, identity).

    Attributes:
        same: but for case, accents and what stands between words.
        but_prefix: if a first word is left out, with which many identities of a set begin, such
            as the "pins" of "pins_Adele".
        numbered: alike, but with a digit in them: that tells something of sets from one
            collection only.
    """

    same: list[tuple[str, str]]
    but_prefix: list[tuple[str, str]]
    numbered: list[tuple[str, str]]


def normalized(name: str) -> str:
    """A name as lower-case words of letters and digits: "Beyoncé_KNOWLES" is "beyonce knowles".

    Letters that are no Latin ones with accents stay what they are.
    """
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    # An apostrophe is within a word: O'Neal is ONeal.
    return " ".join(re.findall(r"[^\W_]+", re.sub("['’`]", "", plain)))


def names_in_common(identities: Sequence[str], others: Sequence[str]) -> NamesInCommon:
    """Compares the names of the identities of two sets.

    Args:
        identities, others: lists of names.

    Returns:
        `NamesInCommon`, each list in the order of `identities`.
    """
    theirs, theirs_short = _keys(others)
    ours, ours_short = _keys(identities)
    result = NamesInCommon([], [], [])
    for key, names in ours.items():
        pairs = [(a, b) for a in names for b in theirs.get(key, [])]
        (result.numbered if re.search(r"\d", key) else result.same).extend(pairs)
    met = {pair for pairs in result for pair in pairs}
    # A last word that is left of both may be a family name, after forenames that are frequent.
    for mine, other, words in ((ours_short, theirs, 1), (ours, theirs_short, 1),
                               (ours_short, theirs_short, 2)):
        for key, names in mine.items():
            # A number that is left counts people, in both sets.
            if re.search(r"\d", key) or len(key.split()) < words:
                continue
            for pair in ((a, b) for a in names for b in other.get(key, [])):
                if pair not in met:
                    met.add(pair)
                    result.but_prefix.append(pair)
    place = {name: i for i, name in enumerate(identities)}
    for pairs in result:
        pairs.sort(key=lambda pair: place[pair[0]])
    return result


def _keys(identities):
    """Identities by their normalised names, and by those without a common first word."""
    full, short, first_words = {}, {}, {}
    for identity in identities:
        key = normalized(identity)
        if key:
            full.setdefault(key, []).append(identity)
            first_words.setdefault(key.split()[0], set()).add(key)
    for key, names in full.items():
        first, _, rest = key.partition(" ")
        if rest and len(first_words[first]) >= PREFIX:
            short.setdefault(rest, []).extend(names)
    return full, short


def files_in_common(names: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Images of two sets whose files have the same telling name.

    "0001.jpg" tells nothing, nor does a name that is there twice. A name tells if it has two words
    or more that are those of one identity only in either set ("Aaron_Eckhart_0001"), or a long
    number ("4589732145_o").

    Args:
        names, others: lists of the images' names, IDENTITY/IMAGE.

    Returns:
        List of pairs (number of an image, number of one of the others), in order.
    """
    ours, theirs = _telling(names), _telling(others)
    return [(image, theirs[stem]) for stem, image in ours.items() if stem in theirs]


def _telling(names):
    """Telling names of files, without extension and in lower case, to the images' numbers."""
    images, identities = {}, {}
    for number, name in enumerate(names):
        identity, _, image = name.rpartition("/")
        stem = os.path.splitext(image)[0].casefold()
        images.setdefault(stem, []).append(number)
        identities.setdefault(_words(stem), set()).add(identity)
    return {
        stem: numbers[0]
        for stem, numbers in images.items()
        if len(numbers) == 1
        and (
            (" " in _words(stem) and len(identities[_words(stem)]) == 1)
            or any(len(number.lstrip("0")) >= LONG_NUMBER for number in re.findall(r"\d+", stem))
        )
    }


def _words(stem):
    """The words of a file's name, without its digits."""
    return normalized(re.sub(r"\d+", " ", stem))
