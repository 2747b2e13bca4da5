"""Where the gallery lies by default, who can read it, and what git takes."""

import os
import pathlib
import re
import shutil
import stat
import subprocess

import numpy as np
import pytest

from sparseface_tf.recognition import PeopleGallery, Recogniser, Recognition
from sparseface_tf.recognition.place import default_gallery, make_folder

ROOT = pathlib.Path(__file__).parent.parent
FACE = (bytes(32), np.arange(4.0), np.ones(4, np.float32))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user without a gallery, in an empty folder; the data directory."""
    for name in ("here", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "data"


def told(capsys, *words, **settings):
    capsys.readouterr()
    Recogniser(Recognition(**settings)).run([*words])
    return capsys.readouterr().out


def permissions(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_gallery_is_the_users_and_nobody_else_reads_it(home, capsys):
    path = default_gallery()
    assert pathlib.Path(path).is_relative_to(home)
    make_folder(path)
    old = os.umask(0o022)
    try:
        gallery = PeopleGallery(path, "key")
        gallery.add("Ann", *FACE)
        with gallery._open(write=True) as connection:
            connection.execute("UPDATE people SET name = 'Bob'")
            assert permissions(f"{path}-journal") == 0o600
    finally:
        os.umask(old)
    assert permissions(path) == 0o600 and permissions(os.path.dirname(path)) == 0o700
    assert told(capsys, "gallery", "list").endswith(f"1 people, 1 face in {path}.\n")
    assert os.listdir() == []  # nothing in the current folder

    # What its owner has opened to others stays so, and a link to a file that is not there is followed.
    os.chmod(path, 0o640)
    assert gallery.remove("Bob") == 1 and permissions(path) == 0o640
    os.symlink("target.db", "link.db")
    PeopleGallery("link.db", "key").add("Ann", *FACE)
    assert permissions("target.db") == 0o600 and PeopleGallery("link.db").people() == {"Ann": 1}


def test_a_gallery_where_it_lay_before_is_not_forgotten(home, capsys):
    with pytest.raises(FileNotFoundError, match="No gallery .*data"):
        told(capsys, "gallery", "list")
    assert "gallery.db" not in capsys.readouterr().out
    pathlib.Path("gallery.db").write_text("some other file")
    with pytest.raises(FileNotFoundError, match="No gallery"):
        told(capsys, "gallery", "list")
    assert capsys.readouterr().out == ""

    os.unlink("gallery.db")
    PeopleGallery("gallery.db", "key").add("Ann", *FACE)
    with pytest.raises(FileNotFoundError, match="No gallery"):
        told(capsys, "gallery", "list")
    line = capsys.readouterr().out
    assert line.startswith("gallery.db in this folder is a gallery that is not used by default any more")
    assert "Ann: 1 face" in told(capsys, "gallery", "list", gallery="gallery.db")
    # The command that it shows works as pasted.
    command = re.search(r"uses it; (.*) makes it yours", line)[1]
    subprocess.run(command, shell=True, check=True)
    assert told(capsys, "gallery", "list").startswith("Ann: 1 face\n1 people")
    # Beside people of the user's own nothing is said.
    PeopleGallery("gallery.db", "key").add("Ann", *FACE)
    assert told(capsys, "gallery", "list").startswith("Ann: 1 face\n1 people")


def test_what_is_no_place_for_a_gallery_is_said(home, monkeypatch):
    folder, nowhere = PeopleGallery(home, "key"), PeopleGallery(home / "no" / "g.db", "key")
    for call in (folder.people, folder.faces, lambda: folder.add("A", *FACE)):
        with pytest.raises(OSError, match="data is a folder: give a file in it as --gallery"):
            call()
    with pytest.raises(OSError, match="g.db cannot be made: there is no folder .*no"):
        nowhere.add("A", *FACE)
    os.mkfifo(home / "pipe")
    with pytest.raises(ValueError, match="pipe is no file: give another --gallery"):
        PeopleGallery(home / "pipe").people()
    (home / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "file"))
    with pytest.raises(OSError, match="file/sparseface_tf cannot be made for the gallery"):
        make_folder(default_gallery())


def test_git_takes_nothing_that_the_examples_of_the_pages_write(tmp_path):
    if not shutil.which("git"):
        pytest.skip("there is no git")
    written = {"gallery.db", "gallery.db-journal", "elsewhere/people.db"}
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        written |= set(re.findall(r"--(?:output|save)=([\w./]*[a-z][\w./]*)", page.read_text()))
    # Those come with the project.
    shipped = {name for name in written if re.match(r"saved_models/(face|joined)(_\d+)?$", name)}
    assert {"saved_models/phone", "saved_models/faces", "named.jpg", "runs/obd"} <= written - shipped
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)

    def ignored(names):
        command = ["git", "check-ignore", *names]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return set(found.stdout.split())

    written = {f"{name}/file" if "." not in name else name for name in written - shipped}
    assert written - ignored(sorted(written)) == set()
    assert ignored(["saved_models/face/recognition.npz", "saved_models/joined_50/a", "setup.py"]) == set()
