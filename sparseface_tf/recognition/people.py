"""The gallery: people with the features of their faces, in one SQLite file.

Only its owner can read it: it is made with mode 600, and SQLite gives its journal the same.

A rollback journal, not a write-ahead log: at rest the gallery is one file that can be copied and
read from where nothing can be written. A photograph is one transaction of a few kilobytes, so
that readers wait for milliseconds at most, and a kill leaves the photographs before it. No
photographs are kept, only what shows that one is there already: a hash of its file. What is removed
is overwritten.
"""

import contextlib
import os
import sqlite3
import unicodedata
import urllib.request
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sparseface_tf.matching.cosine import Cosine

APPLICATION, VERSION = 0x53504652, 1  # "SPFR"
# Seconds that a reader waits for a writer, or a writer for another.
PATIENCE = 30
MAX_NAME = 200
# Cosine from which on two faces are copies. Of 23,443 photographs of 922 people, saved_models/face has
# none whose nearest one of another person reaches it, and saved_models/joined 2.
NEAR_COPY = 0.995

_TABLES = """
CREATE TABLE model (key TEXT NOT NULL, features INTEGER NOT NULL);
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE faces (
    id INTEGER PRIMARY KEY,
    person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    photo BLOB NOT NULL,
    box TEXT NOT NULL,
    feature BLOB NOT NULL,
    UNIQUE (photo, box)
);
"""


class PeopleGallery:
    """A gallery file. It is opened for each call, so that any number of processes may use it.

    Args:
        path: the file; `add` makes it.
        key: names the network that the features are of, see `Embedder`; None to look at names only.

    Calls raise ValueError, in one line, if the file is no gallery or one of another network, and
    OSError if it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike, key: str | None = None) -> None:
        self.path, self.key = os.fspath(path), key

    def add(
        self, name: str, photo: bytes, box: Iterable[float], feature: NDArray[np.float32]
    ) -> bool:
        """Adds a face to a person, who is new if there is none of that name.

        Args:
            name: text, see `checked_name`.
            photo: hash of the photograph's file, bytes.
            box: real array (4,), where the face is in it.
            feature: float32 array (features,).

        Returns:
            Whether it was added; False if this face is among the person's already.

        Raises:
            ValueError: if this face is under another name, or the feature of another length.
        """
        name = checked_name(name)
        feature = np.ascontiguousarray(feature, "<f4")
        place = ",".join(f"{side:.0f}" for side in box)
        with self._open(write=True) as connection:
            features = self._check(connection, len(feature))
            if feature.shape != (features,) or not np.isfinite(feature).all():
                raise ValueError(
                    f"The gallery takes {features} finite numbers, got {feature.shape}."
                )
            known = connection.execute(
                "SELECT name FROM faces JOIN people ON people.id = person WHERE photo = ? AND box = ?",
                (photo, place),
            ).fetchone()
            if known and known[0] != name:
                raise ValueError(f"this very face is in the gallery as {known[0]}")
            if known:
                return False
            connection.execute("INSERT OR IGNORE INTO people (name) VALUES (?)", (name,))
            connection.execute(
                "INSERT INTO faces (person, photo, box, feature) "
                "SELECT id, ?, ?, ? FROM people WHERE name = ?",
                (photo, place, feature.tobytes(), name),
            )
            return True

    def remove(self, name: str) -> int:
        """Removes a person with all features; returns how many faces there were.

        Raises:
            ValueError: if there is no such person.
        """
        name = checked_name(name)
        with self._open(write=True, make=False) as connection:
            faces = people = 0
            if self._check(connection):
                (faces,) = connection.execute(
                    "SELECT COUNT(*) FROM faces JOIN people ON people.id = person WHERE name = ?",
                    (name,),
                ).fetchone()
                people = connection.execute("DELETE FROM people WHERE name = ?", (name,)).rowcount
            if not people:
                raise ValueError(f"There is no {name} in {self.path}: 'gallery list' shows who is.")
            return faces

    def people(self) -> dict[str, int]:
        """Dict from the people's names, sorted, to their number of faces."""
        with self._open() as connection:
            if not self._check(connection):
                return {}
            return dict(
                connection.execute(
                    "SELECT name, COUNT(*) FROM people JOIN faces ON person = people.id "
                    "GROUP BY name ORDER BY name"
                )
            )

    def faces(self) -> tuple[list[str], NDArray[np.float32]]:
        """All faces as they are at one moment.

        Returns:
            names: list of n strings, whose each is.
            features: float32 array (n, features); (0, 0) if nobody was ever enrolled.
        """
        with self._open() as connection:
            width = self._check(connection)
            if not width:
                return [], np.zeros((0, 0), np.float32)
            rows = connection.execute(
                "SELECT name, feature FROM faces JOIN people ON people.id = person ORDER BY faces.id"
            ).fetchall()
        if any(not isinstance(row[1], bytes) or len(row[1]) != 4 * width for row in rows):
            raise ValueError(f"{self.path} is damaged: a face has not {width} numbers.")
        features = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(-1, width)
        if not np.isfinite(features).all():
            raise ValueError(f"{self.path} is damaged: a face has numbers that are not finite.")
        return [str(row[0]) for row in rows], features

    def copy_of(self, feature: NDArray[np.float32]) -> str | None:
        """Whose face is of the same photograph as a new one, or of nearly the same.

        Args:
            feature: float32 array (features,).

        Returns:
            The person whose face has the highest cosine with it, if that is `NEAR_COPY` or more.
        """
        if not os.path.exists(self.path):
            return None
        names, features = self.faces()
        if not names:
            return None
        cosines = Cosine().score_matrix(feature[None], features)[0]
        best = int(np.argmax(cosines))
        return names[best] if cosines[best] >= NEAR_COPY else None

    @contextlib.contextmanager
    def _open(self, write=False, make=True):
        """A connection in a transaction, which an error undoes."""
        if os.path.isdir(self.path):
            raise IsADirectoryError(f"{self.path} is a folder: give a file in it as --gallery.")
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise ValueError(f"{self.path} is no file: give another --gallery.")
        if write and make:
            self._make()
        elif not os.path.isfile(self.path):
            raise FileNotFoundError(f"No gallery {self.path}: 'enroll NAME photos…' makes one.")
        mode = "rw" if write else "ro"
        uri = f"file:{urllib.request.pathname2url(os.path.abspath(self.path))}?mode="
        try:
            try:
                connection = self._connect(uri + mode)
            except sqlite3.OperationalError as error:
                # What a killed writer left is undone by the next one who opens the file, and that
                # takes writing, also for one who wants to read.
                if mode != "ro" or "readonly" not in str(error):
                    raise
                connection = self._connect(uri + "rw")
            with contextlib.closing(connection):
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path} cannot be used: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path} is no gallery, or damaged: {error}.") from None

    def _make(self):
        """Makes the file, empty, if it is not there: SQLite would let all read it."""
        path = os.path.realpath(self.path)
        if not os.path.isdir(os.path.dirname(path)):
            raise FileNotFoundError(
                f"{self.path} cannot be made: there is no folder {os.path.dirname(path)}."
            )
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:  # and is not opened, as closing it would free SQLite's locks on it
            pass
        except OSError as error:
            raise OSError(f"{self.path} cannot be made: {error.strerror}.") from None

    def _connect(self, uri):
        # Transactions are begun by hand; the module would begin them late.
        connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")  # the file may be a stranger's
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection, features=None):
        """Length of the features; makes the tables of a new gallery if it is given.

        Without it, 0 for a file that is empty, as a kill during the first enrolment leaves it.

        Raises:
            ValueError: if it is another file, or of another network.
        """
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        new = not tables and not application
        if new and features is None:
            return 0
        if new:
            # One by one: executescript would end the transaction.
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute("INSERT INTO model VALUES (?, ?)", (self.key, features))
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            return features
        if (application, version) != (APPLICATION, VERSION):
            raise ValueError(f"{self.path} is no gallery: give another --gallery.")
        row = connection.execute("SELECT key, features FROM model").fetchone()
        if row is None or self.key not in (None, row[0]):
            raise ValueError(
                f"{self.path} holds features of another network ({str(row and row[0])[:8]}, not "
                f"{str(self.key)[:8]}): give its --model, or another --gallery."
            )
        if not isinstance(row[1], int) or not 0 < row[1] < 1 << 20:
            raise ValueError(f"{self.path} is damaged: features of {row[1]} numbers.")
        return row[1]


def checked_name(name: str) -> str:
    """A person's name as the gallery keeps it, in one form of Unicode.

    Raises:
        ValueError: if it is empty, very long, or has characters that cannot be seen.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > MAX_NAME or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise ValueError(
            f"{name[:40]!r} is no name: give 1 to {MAX_NAME} characters, without line breaks."
        )
    return name
