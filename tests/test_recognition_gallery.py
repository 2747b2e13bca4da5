"""The gallery file: kept through kills, read while it is written, refused where it is another's."""

import itertools
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import sqlite_faults
from faults import failing, states_of
from hypothesis import given
from hypothesis import strategies as st

from sparseface_tf.recognition.people import MAX_NAME, PeopleGallery, checked_name

ROOT = pathlib.Path(__file__).parent.parent
BOX = np.array([1.2, 2, 30, 40])


def photo(number):
    return bytes([number]) * 32


def feature(number, length=4):
    return np.arange(length, dtype=np.float32) + number


@pytest.fixture
def gallery(tmp_path):
    return PeopleGallery(tmp_path / "my gallery #1?.db", "key")


def test_people_come_and_go(gallery):
    assert gallery.add("Ann", photo(1), BOX, feature(1))
    assert gallery.add("Bob", photo(2), BOX, feature(2))
    assert gallery.add("Ann", photo(3), BOX, feature(3))
    assert gallery.add("Bob", photo(1), BOX + 9, feature(4))  # another face in the same photograph
    assert not gallery.add(" Ann ", photo(1), BOX, feature(1))  # a second time
    with pytest.raises(ValueError, match="this very face is in the gallery as Ann"):
        gallery.add("Cid", photo(1), BOX, feature(1))
    assert gallery.people() == {"Ann": 2, "Bob": 2}
    names, features = gallery.faces()
    assert names == ["Ann", "Bob", "Ann", "Bob"] and features.dtype == np.float32
    np.testing.assert_array_equal(features, [feature(k) for k in (1, 2, 3, 4)])

    assert gallery.remove("Ann") == 2
    assert gallery.people() == {"Bob": 2} and gallery.faces()[0] == ["Bob", "Bob"]
    with pytest.raises(ValueError, match="There is no Ann in"):
        gallery.remove("Ann")
    # One file, and in it nothing is left of those who were removed.
    assert os.listdir(os.path.dirname(gallery.path)) == [os.path.basename(gallery.path)]
    content = pathlib.Path(gallery.path).read_bytes()
    assert feature(2).tobytes() in content and b"Bob" in content
    assert feature(3).tobytes() not in content and b"Ann" not in content


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * (MAX_NAME + 1), "\ud800"])
def test_what_is_no_name(gallery, name):
    with pytest.raises(ValueError, match="is no name: give 1 to 200 characters"):
        gallery.add(name, photo(1), BOX, feature(1))
    assert not os.path.exists(gallery.path)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60))
def test_names_keep_their_one_form(name):
    if name.strip():
        assert checked_name(checked_name(name)) == checked_name(name)


def test_one_spelling_is_one_person(gallery):
    gallery.add("Jose\u0301", photo(1), BOX, feature(1))
    gallery.add("Jos\u00e9", photo(2), BOX, feature(2))
    assert gallery.people() == {"Jos\u00e9": 2}


def test_other_files_and_networks_are_refused_in_one_line(gallery, tmp_path):
    with pytest.raises(FileNotFoundError, match="No gallery .*'enroll NAME photos…' makes one"):
        gallery.faces()
    gallery.add("Ann", photo(1), BOX, feature(1))
    other = PeopleGallery(gallery.path, "other")
    for call in (other.faces, other.people, lambda: other.add("B", photo(2), BOX, feature(2))):
        with pytest.raises(ValueError, match=r"of another network \(key, not other\)"):
            call()
    assert PeopleGallery(gallery.path).people() == {"Ann": 1}  # names need no network
    for bad in (feature(1, 5), feature(np.nan), feature(np.inf)):
        with pytest.raises(ValueError, match="takes 4 finite numbers"):
            gallery.add("Ann", photo(9), BOX, bad)

    text = PeopleGallery(tmp_path / "text.db", "key")
    pathlib.Path(text.path).write_text("This is no gallery. " * 100)
    for call in (text.faces, lambda: text.add("A", photo(1), BOX, feature(1))):
        with pytest.raises(ValueError, match="is no gallery, or damaged: file is not a database"):
            call()
    foreign = PeopleGallery(tmp_path / "foreign.db", "key")
    with sqlite3.connect(foreign.path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for call in (foreign.faces, lambda: foreign.add("A", photo(1), BOX, feature(1))):
        with pytest.raises(ValueError, match="foreign.db is no gallery: give another --gallery"):
            call()
    nowhere = PeopleGallery(tmp_path / "no" / "where.db", "key")
    with pytest.raises(OSError, match="where.db cannot be made: there is no folder .*no"):
        nowhere.add("A", photo(1), BOX, feature(1))

    with sqlite3.connect(gallery.path) as connection:
        connection.execute("UPDATE faces SET feature = x'00'")
    with pytest.raises(ValueError, match="is damaged: a face has not 4 numbers"):
        gallery.faces()


def test_damage_is_an_error_or_a_result(gallery):
    for k in range(20):
        gallery.add(f"Person {k % 5}", photo(k), BOX, feature(k, 100))
    content = pathlib.Path(gallery.path).read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for at in generator.integers(len(content), size=generator.integers(1, 30)):
            damaged[at] = generator.integers(256)
        pathlib.Path(gallery.path).write_bytes(damaged[: generator.integers(1, len(content) + 1)])
        try:
            gallery.people(), gallery.faces()
        except (ValueError, OSError) as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50


ENROLS = """
import os, signal, sys
import numpy as np
from sparseface_tf.recognition import people

class Connection(people.sqlite3.Connection):
    def execute(self, sql, *values):
        found = super().execute(sql, *values)
        if sql.startswith("INSERT INTO faces") and values[0][0] == bytes([7]) * 32:
            # What is not committed is on the disk already, as if the cache had been too small.
            super().execute("PRAGMA cache_spill = 1")
            super().execute("PRAGMA cache_size = 1")
            for k in range(300):
                blob = np.full(1000, k, np.float32).tobytes()
                super().execute("INSERT INTO faces (person, photo, box, feature) "
                                "VALUES (1, ?, 'x', ?)", (bytes([k % 256, 1]) + bytes(k), blob))
            os.kill(os.getpid(), signal.SIGKILL)
        return found

connect = people.sqlite3.connect
people.sqlite3.connect = lambda *a, **k: connect(*a, factory=Connection, **k)
gallery = people.PeopleGallery(sys.argv[1], "key")
for k in range(10):
    gallery.add("Ann", bytes([k]) * 32, np.zeros(4), np.full(1000, k, np.float32))
"""


def test_a_kill_leaves_what_was_enrolled_before(gallery):
    command = [sys.executable, "-c", ENROLS, gallery.path]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # The kill came in the middle: half of it is in the file, and a journal to undo it.
    assert os.path.getsize(gallery.path + "-journal") > 0
    assert os.path.getsize(gallery.path) > 500_000
    names, features = gallery.faces()  # by a reader, who undoes it
    assert names == ["Ann"] * 7
    np.testing.assert_array_equal(features[:, 0], range(7))
    assert not os.path.exists(gallery.path + "-journal")
    for k in range(10):
        assert gallery.add("Ann", bytes([k]) * 32, np.zeros(4), np.full(1000, k)) == (k >= 7)
    np.testing.assert_array_equal(gallery.faces()[1][:, 0], range(10))
    with sqlite3.connect(gallery.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# Long features, so that a face is written in several pages.
ENROLLED = [
    *(("Ann", photo(1), BOX, feature(1, 2000)), ("Bob", photo(2), BOX, feature(2, 2000))),
    *(("Bob", photo(1), BOX + 9, feature(3, 2000)), ("Ann", photo(3), BOX, feature(4, 2000))),
]


def enrol(folder):
    """Enrols some faces, and removes a person whom the gallery has had for long."""
    gallery = PeopleGallery(folder / "people.db", "key")
    for face in ENROLLED:
        gallery.add(*face)
    if "Zoe" in gallery.people():
        gallery.remove("Zoe")


def content(folder):
    """All that a gallery holds, but for numbers that nobody sees."""
    with sqlite3.connect(folder / "people.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        model = connection.execute("SELECT * FROM model").fetchall()
        people = connection.execute("SELECT name FROM people ORDER BY name").fetchall()
        faces = connection.execute(
            "SELECT name, photo, box, feature FROM faces JOIN people ON people.id = person "
            "ORDER BY name, photo, box"
        ).fetchall()
    return model, people, faces


@pytest.fixture(params=["new", "old"])
def begun(request, tmp_path):
    """A folder without a gallery, or with one that has somebody in it."""
    folder = tmp_path / "begun"
    folder.mkdir()
    if request.param == "old":
        gallery = PeopleGallery(folder / "people.db", "key")
        gallery.add("Zoe", photo(9), BOX, feature(9, 2000))
    return folder


def test_killed_at_any_change_it_holds_what_an_uninterrupted_one_holds(begun, tmp_path):
    whole = shutil.copytree(begun, tmp_path / "whole")
    states = states_of(whole, tmp_path, lambda: enrol(whole), sqlite_faults.watched)
    assert len(states) > 25
    for change, state in states:
        gallery = PeopleGallery(state / "people.db", "key")
        if os.path.exists(gallery.path):
            # Those who were enrolled before the kill are there, whole, and nobody else.
            names, features = gallery.faces()
            found = [(name, one[0]) for name, one in zip(names, features) if name != "Zoe"]
            known = [(name, one[0]) for name, *_, one in ENROLLED]
            assert found == known[: len(found)], change
            assert sum(gallery.people().values()) == len(names), change
        enrol(state)
        assert content(state) == content(whole), change
        assert os.listdir(state) == ["people.db"], change


def test_on_a_disk_that_is_full_at_any_change_it_fails_in_one_line(begun, tmp_path):
    whole = shutil.copytree(begun, tmp_path / "whole")
    enrol(whole)
    for number in itertools.count():
        folder = shutil.copytree(begun, tmp_path / f"full{number}")
        with failing(folder, number, sqlite_faults.watched):
            try:
                enrol(folder)
                failed = False
            except (OSError, ValueError) as error:
                failed = True
                assert "\n" not in str(error) and "people.db" in str(error)
        enrol(folder)
        assert content(folder) == content(whole), number
        if not failed:
            break
    assert number > 25


def test_readers_see_what_is_committed_while_one_writes(gallery):
    gallery.add("Ann", photo(0), BOX, feature(0))
    with gallery._open(write=True) as connection:
        connection.execute("INSERT INTO people (name) VALUES ('half')")
        # Does not wait, which would be in vain: the writer is this thread.
        assert gallery.faces()[0] == ["Ann"]
        connection.execute("DELETE FROM people WHERE name = 'half'")

    done, seen, errors = threading.Event(), [], []

    def read():
        try:
            while not done.is_set():
                names, features = gallery.faces()
                # Each adding is seen wholly or not at all, in order.
                np.testing.assert_array_equal(features[:, 0], range(len(names)))
                seen.append(len(names))
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for k in range(1, 40):
        assert gallery.add(f"Person {k % 7}", photo(k), BOX, feature(k))
        time.sleep(0.02)
    done.set()
    for reader in readers:
        reader.join()
    assert not errors and len(set(seen)) > 3 and gallery.faces()[1].shape == (40, 4)


def test_several_writers_lose_nothing(gallery):
    def write(start):
        for k in range(start, start + 12):
            gallery.add(f"Person {k % 5}", photo(k), BOX, feature(k))

    writers = [threading.Thread(target=write, args=(start,)) for start in (0, 12, 24)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(gallery.faces()[1][:, 0]) == [*range(36)]
