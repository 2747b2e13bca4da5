"""What recognize.py does: verify, enroll, identify, gallery, calibrate."""

import dataclasses
import functools
import os

import numpy as np

from pipelines.command_line import setting
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.embedding.embeddings import CUT
from sparseface_tf.recognition import annotation, photos, scoring
from sparseface_tf.recognition.calibration import HIGHEST
from sparseface_tf.recognition.learning import IDENTITIES, learn_scorings
from sparseface_tf.recognition.people import PeopleGallery, checked_name

# A trained network that comes with the project; its folder also has its calibration.
DEFAULT_MODEL = os.path.join("saved_models", "face")
TABLE_FARS = (0.1, 0.01, 0.001, 0.0001, 0.00001)


@dataclasses.dataclass
class Recognition:
    """Settings of recognition; recognize.py has a flag for each, with these texts."""

    model: str = setting(
        "",
        "The network: as for evaluate.py --model. Default: the one that comes with the project, "
        f"{DEFAULT_MODEL}.",
    )
    region: str = setting("", "Region that it sees, as for evaluate.py --region.")
    calibration: str = setting(
        "", f"What its scores mean, a file. Default: {scoring.FILE} beside the model's file."
    )
    scorer: str = setting(
        scoring.COSINE,
        "cosine, or joint_bayesian, which tells better, but whose thresholds suit photographs of "
        "the kind that it was learned from.",
    )
    far: float = setting(
        0.001,
        "Rate of false accepts: of comparisons of two different people by verify, of searches for "
        f"someone who is not in the gallery by identify; {HIGHEST} at most.",
    )
    gallery: str = setting("gallery.db", "The gallery, a file.")
    face: int = setting(
        0,
        "Of several faces in a photograph the one to verify or enroll, counted from the left, from "
        "1. Default: the largest and most central one.",
    )
    save: str = setting("", "Picture with the faces to write: .jpg, .png or .webp.")
    size: int = setting(
        640,
        "Side in pixels of the square that a photograph is fitted into to find faces, which are "
        "found from some 20 pixels there.",
    )
    confidence: float = setting(0.9, "Of the detector: below it a face is none.")

    # calibrate
    data: str = setting(
        "",
        "calibrate: faces of people that the network was not trained on, named as for train.py. "
        "Not those that it is tested on, such as LFW's View 2.",
    )
    identities: str = setting(
        "all",
        "calibrate: 'all' people of --data; 'held_out': those that the run of the model held out, "
        "and of --train_data the others; or a file that names such people, as a run's "
        "held_out.txt does.",
    )
    pairs: str = setting("", "calibrate: list of pairs of --data. Default: every two images.")
    train_data: str = setting("", "calibrate: faces that Joint Bayesian learns from.")
    components: int = setting(0, "calibrate: principal components for Joint Bayesian; 0: no PCA.")
    cache: str = setting("~/.cache/sparseface_tf/features", "calibrate: folder that keeps features.")

    def check(self):
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        if not 0 < self.far <= HIGHEST:
            raise ValueError(f"--far must be above 0, and {HIGHEST} at most, got {self.far:g}.")
        if self.scorer not in scoring.SCORERS:
            raise ValueError(f"--scorer={self.scorer}: choose from {', '.join(scoring.SCORERS)}.")
        if self.identities not in IDENTITIES and not os.path.isfile(self.identities):
            raise ValueError(
                f"--identities={self.identities}: choose from {', '.join(IDENTITIES)}, or give a file."
            )
        if self.face < 0 or self.components < 0:
            raise ValueError("--face and --components must be 0 or more.")
        if not 64 <= self.size <= 4096:
            raise ValueError(f"--size must be from 64 to 4096, got {self.size}.")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"--confidence must be from 0 to 1, got {self.confidence:g}.")


class Recogniser:
    """The commands; each prints what it found.

    Args:
        settings: a `Recognition`.
        root: folder of the project, where the default model is.
        detector: see `photos.find_faces`; default: MTCNN, opened when it is needed.

    All raise ValueError or OSError in one line.
    """

    def __init__(self, settings, root="", detector=None):
        settings.check()
        self.settings, self.root = settings, root
        if detector is not None:
            self.detector = detector

    def run(self, arguments):
        """Runs a command.

        Args:
            arguments: list of its name and what follows it.
        """
        command, *rest = arguments or [""]
        match command, rest:
            case "verify", [first, second]:
                self.verify(first, second)
            case "enroll", [name, _, *_]:
                self.enroll(name, rest[1:])
            case "identify", [_, *_]:
                self.identify(rest)
            case "gallery", ["list"]:
                self.list_people()
            case "gallery", ["remove", name]:
                self.remove(name)
            case "calibrate", []:
                self.calibrate()
            case _:
                given = " ".join(arguments)
                raise ValueError(
                    f"'{given}' is no command: give verify A B, enroll NAME PHOTO…, identify "
                    "PHOTO…, gallery list, gallery remove NAME, or calibrate --data=DIR; --help "
                    "tells more."
                )

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
        found = scoring.read_scorings(self.calibration, self.key)
        name = self.settings.scorer
        if name not in found:
            raise ValueError(
                f"{self.calibration} has no {name}: calibrate with --train_data, or give another "
                "--scorer."
            )
        return name, found[name]

    def verify(self, first, second):
        """Tells whether two photographs are of the same person."""
        self._check_save([first, second])
        name, scores = self.scoring
        threshold, measured = scores.calibration.threshold_at(self.settings.far)
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
        score = float(scores.scorer.score_pairs(found[0][3], found[1][3])[0])
        probability, same = float(scores.calibration.probability(score)), score >= threshold
        verdict = "The same person" if same else "Different people"
        if not same and probability >= 0.5:  # likelier than not, and still not enough
            verdict = "Perhaps the same person"
        print(
            f"{verdict}: {_percent(probability)}, score {score:.3f} ({name}), threshold "
            f"{threshold:.3f} at {_rate(self.settings.far, measured)}."
        )
        if self.settings.save:
            verdict = f"{verdict.lower()}, {_percent(probability)}"
            pictures = [
                annotation.annotated(photo.image, [faces[chosen]], [verdict], [same])
                for photo, faces, chosen, _ in found
            ]
            self._save(annotation.side_by_side(pictures))

    def enroll(self, name, paths):
        """Adds a face of each photograph to a person.

        Every one is kept when it is done, so that nothing is lost if one of them cannot be used.
        """
        name = checked_name(name)
        self._check_save(paths, one=True)
        people = PeopleGallery(self.settings.gallery, self.key)
        if os.path.exists(people.path):
            people.people()  # before the work, whether the file can take it
        problems = 0
        for path in paths:
            try:
                photo, faces = self._faces(path)
                chosen = photos.chosen_face(faces, photo.image, self.settings.face)
                self._say_which(path, faces, chosen)
                face = faces[chosen]
                feature = photos.embed_faces(self.embedder, photo.image, [face])[0]
                new = people.add(name, photo.digest, face.box, feature)
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
                self._save(annotation.annotated(photo.image, [face], [name], [True]))
        self._end(problems, len(paths))

    def identify(self, paths):
        """Tells who of the gallery is in photographs."""
        self._check_save(paths, one=True)
        names, gallery = PeopleGallery(self.settings.gallery, self.key).faces()
        scorer, scores = self.scoring
        problems, explained = 0, False
        for path in paths:
            try:
                photo, faces = self._faces(path)
            except photos.UnusablePhoto as error:
                problems += 1
                print(f"{error}")
                continue
            features = photos.embed_faces(self.embedder, photo.image, faces)
            matches = scores.search(features, gallery, names, self.settings.far)
            print(f"{path}: {_faces(len(faces))}.")
            for number, match in enumerate(matches, start=1):
                print(f"  {number}: {_told(match)}")
            if matches and names and not explained:
                explained = True
                rate = _rate(self.settings.far, matches[0].measured)
                print(
                    f"  (Known from score {matches[0].threshold:.3f} on, {scorer}: {rate} of a "
                    f"search among {_faces(len(names))} of {len(set(names))} people.)"
                )
            if self.settings.save:
                texts = [f"{k}: {_short(match)}" for k, match in enumerate(matches, start=1)]
                known = [match.known for match in matches]
                self._save(annotation.annotated(photo.image, faces, texts, known))
        self._end(problems, len(paths))

    def list_people(self):
        """Prints who is in the gallery."""
        people = PeopleGallery(self.settings.gallery).people()
        for name, count in people.items():
            print(f"{name}: {_faces(count)}")
        print(f"{len(people)} people, {_faces(sum(people.values()))} in {self.settings.gallery}.")

    def remove(self, name):
        """Removes a person from the gallery."""
        count = PeopleGallery(self.settings.gallery).remove(name)
        print(f"Removed {checked_name(name)} with {_faces(count)}.")

    def calibrate(self):
        """Learns what scores mean, and prints the thresholds."""
        settings = self.settings
        if not settings.data:
            raise ValueError("No faces: give --data, of people that the network was not trained on.")
        scorings = learn_scorings(
            self.embedder,
            settings.data,
            train_data=settings.train_data,
            identities=settings.identities,
            pairs=settings.pairs,
            components=settings.components,
            cache=os.path.expanduser(settings.cache),
        )
        scoring.write_scorings(self.calibration, self.key, scorings)
        for name, scores in scorings.items():
            print(_table(name, scores.calibration))
        print(f"Written to {self.calibration}.")

    def _faces(self, path):
        photo = photos.open_photo(path)
        settings = self.settings
        faces = photos.find_faces(
            photo.image, self.detector, size=settings.size, confidence=settings.confidence
        )
        return photo, faces

    def _say_which(self, path, faces, chosen):
        if len(faces) > 1 and not self.settings.face:
            print(
                f"{path}: {_faces(len(faces))}, of which number {chosen + 1} from the left is "
                "taken; --face takes another."
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


def _percent(probability):
    """A probability for people: never quite 0 or 1."""
    return f"{100 * np.clip(probability, 0.001, 0.999):.1f} %"


def _rate(far, measured):
    return f"a false accept rate of {far:g}{'' if measured else ' (extrapolated)'}"


def _faces(count):
    return "1 face" if count == 1 else f"{count:,} faces"


def _told(match):
    if match.name is None:
        return "unknown; the gallery is empty"
    text = f"{match.name}, {_percent(match.probability)}, score {match.score:.3f}"
    return text if match.known else f"unknown; closest is {text}"


def _short(match):
    return f"{match.name} {_percent(match.probability)}" if match.known else "unknown"


def _table(name, calibration):
    """Thresholds of a calibration, a table in Markdown."""
    lines = [
        f"{name}: {calibration.genuine:,} pairs of one person, {calibration.impostors:,} of "
        f"different ones, {calibration.people:,} people",
        "",
        "| FAR | threshold | false accepts | FAR, 95 % | accepted of one person, 95 % |",
        "|---|---|---|---|---|",
    ]
    for far in TABLE_FARS:
        threshold, measured = calibration.threshold_at(far)
        if not measured:
            lines.append(f"| {far:g} | {threshold:.4f} | extrapolated | | |")
            continue
        at = int(np.searchsorted(calibration.far, far * (1 + 1e-9), "right")) - 1
        c = calibration
        lines.append(
            f"| {far:g} | {threshold:.4f} | {c.false_accepts[at]:,} | {c.far_low[at]:.2g} … "
            f"{c.far_high[at]:.2g} | {c.tar[at]:.4f} ({c.tar_low[at]:.4f} … {c.tar_high[at]:.4f}) |"
        )
    return "\n".join([*lines, ""])
