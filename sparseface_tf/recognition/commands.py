"""What recognize.py does: verify, enroll, identify, gallery, calibrate."""

import functools
import os
import sys
from collections.abc import Callable, Sequence

from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.embedding.embeddings import CUT
from sparseface_tf.recognition import annotation, photos, place, scoring, wording
from sparseface_tf.recognition.choice import ask_which
from sparseface_tf.recognition.learning import learn_scorings
from sparseface_tf.recognition.people import PeopleGallery, checked_name
from sparseface_tf.recognition.search import NAMED, Search
from sparseface_tf.recognition.settings import DEFAULT_MODEL, Recognition
from sparseface_tf.recognition.templates import Templates
from sparseface_tf.recognition.words import check_words


class Recogniser:
    """The commands; each prints what it found.

    Args:
        settings: a `Recognition`.
        root: folder of the project, where the default model is.
        detector: see `photos.find_faces`; default: MTCNN, opened when it is needed.

    All raise ValueError or OSError in one line.
    """

    def __init__(
        self, settings: Recognition, root: str = "", detector: Callable | None = None
    ) -> None:
        settings.check()
        self.settings, self.root = settings, root
        if detector is not None:
            self.detector = detector

    def run(self, arguments: Sequence[str]) -> None:
        """Runs a command.

        Args:
            arguments: list of its name and what follows it.
        """
        check_words(arguments)
        command, *rest = arguments
        match command, rest:
            case "verify", [first, second]:
                self.verify(first, second)
            case "enroll", [name, *photographs]:
                self.enroll(name, photographs)
            case "identify", _:
                self.identify(rest)
            case "gallery", ["list"]:
                self.list_people()
            case "gallery", ["remove", name]:
                self.remove(name)
            case "calibrate", _:
                self.calibrate()

    @functools.cached_property
    def embedder(self):
        """The network, an `Embedder`."""
        if self.settings.model:
            return open_embedder(self.settings.model, self.settings.region)
        path = os.path.join(self.root, DEFAULT_MODEL)
        if not os.path.exists(path):
            raise FileNotFoundError(f"No model {path}: give --model, a network of train.py's.")
        return open_embedder(path, self.settings.region)

    @functools.cached_property
    def detector(self):
        return photos.open_detector()

    @functools.cached_property
    def gallery(self):
        """Path of the gallery; says so if one lies where it was looked for before."""
        if self.settings.gallery:
            return os.path.expanduser(self.settings.gallery)
        path = place.default_gallery()
        left_behind = place.left_behind(path)
        if left_behind:
            print(left_behind)
        return path

    @property
    def key(self):
        """Names the network and the way that faces are cut out."""
        return f"{self.embedder.key}-{CUT}"

    @property
    def calibration(self):
        """Path of the calibration."""
        beside = os.path.join(os.path.dirname(self.embedder.path), scoring.FILE)
        return os.path.expanduser(self.settings.calibration) or beside

    @functools.cached_property
    def scoring(self):
        """(name of the scorer, `Scoring`)."""
        found = scoring.read_scorings(self.calibration, self.key, self.settings.model)
        name = self.settings.scorer
        if name not in found:
            raise ValueError(
                f"{self.calibration} has no {name}: calibrate with --train_data, or give another "
                "--scorer."
            )
        return name, found[name]

    def verify(self, first: str, second: str) -> None:
        """Tells whether two photographs are of the same person."""
        self._check_save([first, second])
        scorer, scores = self.scoring
        found = []
        for path in (first, second):
            photo, faces = self._faces(path)
            try:
                chosen = photos.chosen_face(faces, photo.image, self.settings.face)
            except ValueError as error:
                raise ValueError(f"{path}: {error}.") from None
            self._say_which(path, faces, chosen)
            feature = photos.embed_faces(self.embedder, photo.image, [faces[chosen]])
            found.append((photo, faces, chosen, feature))
        search = Search(scores, Templates.of([first], found[0][3]), self.settings.rule)
        (match,) = search(found[1][3])
        verdict, probability = wording.verdict(match), wording.percent(match.probability)
        print(f"{verdict}: {probability}, score {match.score:.3f}.")
        print(f"({wording.pair_borders(search, scorer)})")
        if self.settings.save:
            verdict = f"{verdict.lower()}, {probability}"
            pictures = [
                annotation.annotated(photo.image, [faces[chosen]], [verdict], [match.grade])
                for photo, faces, chosen, _ in found
            ]
            self._save(annotation.side_by_side(pictures))

    def enroll(self, name: str, paths: Sequence[str]) -> None:
        """Adds a face of each photograph to a person.

        Every one is kept when it is done, so that nothing is lost if one of them cannot be used.
        """
        name = checked_name(name)
        self._check_save(paths, one=True)
        people = PeopleGallery(self.gallery, self.key)
        if not self.settings.gallery:
            place.make_folder(people.path)
        if os.path.exists(people.path):
            people.people()  # before the work, whether the file can take it
        problems = 0
        for path in paths:
            try:
                photo, faces = self._faces(path)
                face = faces[self._whose(name, photo, faces)]
                feature = photos.embed_faces(self.embedder, photo.image, [face])[0]
                copy = people.copy_of(feature)
                if copy not in (None, name):
                    self._ask_about_copy(name, copy)
                new = copy != name and people.add(name, photo.digest, face.box, feature)
            except photos.UnusablePhoto as error:
                problems += 1
                print(f"{error}")
                continue
            except ValueError as error:
                problems += 1
                print(f"{path}: {error}.")
                continue
            print(f"{path}: {'enrolled as' if new else 'is there already as'} {name}.")
            if self.settings.save:
                self._save(annotation.annotated(photo.image, [face], [name], [NAMED]))
        self._end(problems, len(paths))

    def identify(self, paths: Sequence[str]) -> None:
        """Tells who of the gallery is in photographs."""
        self._check_save(paths, one=True)
        people = Templates.of(*PeopleGallery(self.gallery, self.key).faces())
        scorer, scores = self.scoring
        search = Search(scores, people, self.settings.rule)
        problems, explained = 0, False
        for path in paths:
            try:
                photo, faces = self._faces(path)
            except photos.UnusablePhoto as error:
                problems += 1
                print(f"{error}")
                continue
            features = photos.embed_faces(self.embedder, photo.image, faces)
            matches = search(features)
            nowhere = "" if faces else f", {wording.NOWHERE}"
            print(f"{path}: {wording.faces(len(faces))}{nowhere}.")
            for number, match in enumerate(matches, start=1):
                print(f"  {number}: {wording.answer(match)}")
            if matches and len(people) and not explained:
                explained = True
                print(f"  ({wording.search_borders(search, scorer)})")
            if self.settings.save:
                texts = [f"{k}: {wording.label(match)}" for k, match in enumerate(matches, start=1)]
                grades = [match.grade for match in matches]
                self._save(annotation.annotated(photo.image, faces, texts, grades))
        self._end(problems, len(paths))

    def list_people(self) -> None:
        """Prints who is in the gallery."""
        people = PeopleGallery(self.gallery).people()
        for name, count in people.items():
            print(f"{name}: {wording.faces(count)}")
        total = wording.faces(sum(people.values()))
        print(f"{len(people)} people, {total} in {self.gallery}.")

    def remove(self, name: str) -> None:
        """Removes a person from the gallery."""
        count = PeopleGallery(self.gallery).remove(name)
        print(f"Removed {checked_name(name)} with {wording.faces(count)}.")

    def calibrate(self) -> None:
        """Learns what scores mean, and prints the thresholds."""
        settings = self.settings
        if not settings.data:
            raise ValueError("No faces: give --data, of people that the network was not trained on.")
        if settings.calibration:
            raise ValueError("calibrate reads no --calibration: give the file to write as --output.")
        output = os.path.expanduser(settings.output) or self.calibration
        if os.path.lexists(output):  # before the work
            raise FileExistsError(
                f"{output} is there already and is kept: give a new file as --output, which "
                "--calibration takes then."
            )
        scorings = learn_scorings(
            self.embedder,
            settings.data,
            train_data=settings.train_data,
            identities=settings.identities,
            pairs=settings.pairs,
            components=settings.components,
            cache=os.path.expanduser(settings.cache),
        )
        scoring.write_scorings(output, self.key, scorings)
        for name, scores in scorings.items():
            print(f"{wording.calibration_table(name, scores)}\n")
        used = "" if output == self.calibration else f": --calibration={output} uses it"
        print(f"Written to {output}{used}.")

    def _faces(self, path):
        settings = self.settings
        photo, faces, turns = photos.turned_until_found(
            photos.open_photo(path),
            self.detector,
            size=settings.size,
            confidence=settings.confidence,
        )
        if turns:
            print(f"{path}: {wording.turned(turns)}.")
        return photo, faces

    def _whose(self, name, photo, faces):
        """Number, from 0, of the face that is to be enrolled; asks if there are several."""
        settings = self.settings
        if len(faces) > 1 and not (settings.face or settings.yes):
            height, width = photo.image.shape[:2]
            if settings.save:
                numbers = [str(number) for number in range(1, len(faces) + 1)]
                self._save(annotation.annotated(photo.image, faces, numbers, [NAMED] * len(faces)))
            return ask_which(photo.path, name, faces, width, height) - 1
        chosen = photos.chosen_face(faces, photo.image, settings.face)
        self._say_which(photo.path, faces, chosen)
        return chosen

    def _say_which(self, path, faces, chosen):
        if len(faces) > 1 and not self.settings.face:
            print(
                f"{path}: {wording.faces(len(faces))}, of which number {chosen + 1} from the left "
                "is taken; --face takes another."
            )

    def _ask_about_copy(self, name, other):
        """Raises ValueError unless a photograph that is nearly one of another person may be added."""
        if self.settings.yes:
            return
        text = f"this photograph, or nearly the same, is in the gallery as {other}"
        if sys.stdin is not None and sys.stdin.isatty():
            if input(f"{text}. Add it as {name} too? [y/N] ").strip().lower() in ("y", "yes"):
                return
            raise ValueError("not added")
        raise ValueError(
            f"{text}: 'gallery remove {other}' if that is wrong, or --yes adds it as {name} too"
        )

    def _check_save(self, paths, one=False):
        if not self.settings.save:
            return
        if one and len(paths) > 1:
            raise ValueError("--save takes one photograph: give them one by one.")
        annotation.check_picture_path(self.settings.save, paths)

    def _save(self, picture):
        annotation.write_picture(self.settings.save, picture)
        print(f"{self.settings.save} shows it.")

    def _end(self, problems, total):
        if problems:
            raise ValueError(f"{problems} of {total} photographs could not be used, see above.")
