"""Whatever fails, a file or a folder is the old one or the new one, and nothing else is left."""

import os
import stat
import threading

import pytest
from faults import failing, states_of

from pipelines.files import remove_partial, write_atomically, write_folder, write_json, write_text


def _all(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def _failures(folder, work):
    """Does some work with its k-th change failing, for every k; yields after each failure."""
    for k in range(100):
        with failing(folder, k):
            try:
                work()
            except OSError:
                pass
            else:
                return
        yield k
    raise AssertionError("always more changes")


def test_a_file_is_the_old_or_the_new_one(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, "old")
    for k in _failures(tmp_path, lambda: write_json(path, "new")):
        found = _all(tmp_path)
        # All changes after the first that fails fail too, so the rest may stay: no removal.
        assert found.pop("a.json") in ('"old"\n', '"new"\n'), k
        assert all(name.endswith(".partial") for name in found)
        remove_partial(tmp_path)
        assert list(_all(tmp_path)) == ["a.json"]
        write_json(path, "old")
    assert _all(tmp_path) == {"a.json": '"new"\n'}


def test_a_kill_leaves_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "there" / "a.txt"
    path.parent.mkdir()
    write_text(path, "old")
    states = states_of(path.parent, tmp_path / "copies", lambda: write_text(path, "new"))
    contents = [(copy / "a.txt").read_text() for _, copy in states]
    assert contents[0] == "old" and contents[-1] == "new"
    assert "".join(contents) == "old" * contents.count("old") + "new" * contents.count("new")


def test_the_error_itself_is_told_not_that_of_cleaning_up(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("cannot remove")

    def write(file):
        monkeypatch.setattr(os, "unlink", fails)
        raise ValueError("no features")

    with pytest.raises(ValueError, match="no features"):
        write_atomically(tmp_path / "x", write)


def test_the_names_in_the_folder_are_synced_after_the_rename(tmp_path, monkeypatch):
    done = []
    original = {name: getattr(os, name) for name in ("fsync", "replace", "rename")}

    def noting(name):
        def call(*arguments):
            what = arguments[0]
            done.append((name, os.readlink(f"/proc/self/fd/{what}") if name == "fsync" else what))
            return original[name](*arguments)

        return call

    for name in original:
        monkeypatch.setattr(os, name, noting(name))
    write_text(tmp_path / "x", "text")
    assert [name for name, _ in done] == ["fsync", "replace", "fsync"]
    assert done[-1][1] == str(tmp_path)
    done.clear()

    def write(path):
        os.makedirs(os.path.join(path, "deep"))
        with open(os.path.join(path, "deep", "x"), "w") as file:
            file.write("text")

    write_folder(tmp_path / "folder", write)
    assert [name for name, _ in done] == ["fsync"] * 3 + ["rename", "fsync"]
    assert done[-1][1] == str(tmp_path)


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "stage0"

    def write(folder):
        os.mkdir(folder)
        write_text(os.path.join(folder, "one"), "1")
        write_text(os.path.join(folder, "two"), "2")

    for _ in _failures(tmp_path, lambda: write_folder(path, write)):
        if path.exists():
            assert _all(path) == {"one": "1", "two": "2"}
            path.rename(tmp_path / "away")
            remove_partial(tmp_path)
            for file in (tmp_path / "away").iterdir():
                file.unlink()
            (tmp_path / "away").rmdir()
        remove_partial(tmp_path)
        assert not list(tmp_path.iterdir())
    assert _all(tmp_path) == {"stage0/one": "1", "stage0/two": "2"}
    with pytest.raises(FileExistsError, match="is there already"):
        write_folder(path, write)
    assert os.listdir(tmp_path) == ["stage0"]


def test_permissions_are_those_of_any_new_file_in_many_threads(tmp_path):
    before = os.umask(0o027)
    try:
        names = [f"{thread}" for thread in range(8)]
        work = [
            threading.Thread(
                target=lambda name=name: [write_text(tmp_path / f"{name}.{i}", "") for i in range(20)]
            )
            for name in names
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
    finally:
        assert os.umask(before) == 0o027  # which no thread has changed
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 160 and modes == {0o640}
