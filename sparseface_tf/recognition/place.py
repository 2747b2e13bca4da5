"""Where the user's gallery lies, if no other is asked for."""

import os
import shlex
import sqlite3

import platformdirs

from sparseface_tf.recognition.people import PeopleGallery

FILE = "gallery.db"


def default_gallery() -> str:
    """The gallery of the user who runs the program, in the folder that the system has for such data.

    On Linux it is ~/.local/share/sparseface_tf/gallery.db, or where XDG_DATA_HOME says.
    """
    return os.path.join(platformdirs.user_data_dir("sparseface_tf", appauthor=False), FILE)


def make_folder(path: str) -> None:
    """Makes the folder of the user's gallery, which nobody else may look into.

    Raises:
        OSError: if it cannot be made.
    """
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"{folder} cannot be made for the gallery ({error.strerror}): give another --gallery."
        ) from None


def left_behind(path: str) -> str | None:
    """What to say of a gallery in the current folder, where the gallery lay by default before.

    Args:
        path: the user's gallery.

    Returns:
        A line if there is one with people and the user's has nobody; else None.
    """
    if not _people(FILE) or _people(path):
        return None
    move = f"mkdir -p {shlex.quote(os.path.dirname(path))} && mv {FILE} {shlex.quote(path)}"
    return (
        f"{FILE} in this folder is a gallery that is not used by default any more: "
        f"--gallery={FILE} uses it; {move} && chmod 600 {shlex.quote(path)} makes it yours everywhere."
    )


def _people(path):
    """How many people a gallery has; 0 for what is none."""
    try:
        return len(PeopleGallery(path).people())
    except (ValueError, OSError, sqlite3.Error):
        return 0
