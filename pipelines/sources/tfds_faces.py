"""Faces from TensorFlow Datasets, exported once into a folder of image files."""

import csv
import io
import os
import re

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from pipelines.faces.landmarks import LANDMARKS, NUMBERS
from pipelines.files import write_atomically
from pipelines.sources.folder import FolderFaces

# What the feature is called that says who is in an image; the first one there counts.
IDENTITY = (
    "identity",
    "identity_id",
    "person",
    "person_id",
    "subject",
    "subject_id",
    "label",
    "class",
    "name",
)

# How files of each format begin, and how their names end.
FORMATS = {b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


def tfds_faces(name, *, data_dir=None, cache=None, progress=True):
    """Opens a data set of TensorFlow Datasets as a source of faces.

    Its records can be read one after the other only. So the encoded images are written once into
    a folder IDENTITY/NUMBER.jpg, with a landmarks.csv if the data set has the five landmarks, and
    are read from there ever after. An export that was interrupted goes on where it stopped.

    Args:
        name: NAME or NAME:SPLIT, such as "lfw", "celeb_a:train+validation" or
            "mine/config:1.0.0:train[:10%]"; the default split is "train". The data set needs one
            image feature, and one of integers, strings or classes that is called as in
            `IDENTITY`; it may have the landmarks as CelebA does.
        data_dir: folder of TensorFlow Datasets, if not its default.
        cache: folder of the exports; default: sparseface_tf/tfds in the user's cache folder
            (XDG_CACHE_HOME, or ~/.cache).
        progress: show a progress bar.

    Returns:
        `FolderFaces`.

    Raises:
        OSError: if the data set cannot be prepared, or its export not be written.
        ValueError: if TensorFlow Datasets has no such data set or split, or if the data set has no
            images or does not say who is in them.
    """
    # A version is behind a colon as well.
    parts = re.fullmatch(r"([^:]+(?::[\d*]+\.[\d*]+\.[\d*]+)?)(?::(.+))?", name)
    if not parts:
        raise ValueError(f"tfds:{name} names no data set: give tfds:NAME or tfds:NAME:SPLIT.")
    dataset, split = parts[1], parts[2] or "train"
    try:
        builder = tfds.builder(dataset, data_dir=data_dir)
    except (AssertionError, ValueError) as error:
        raise ValueError(f"tfds:{name}: {_one_line(error)}") from None
    features = builder.info.features
    image, identity = _image(name, features), _identity(name, features)

    if cache is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        cache = os.path.join(home, "sparseface_tf", "tfds")
    folder = os.path.join(cache, f"{builder.info.full_name}-{split}".replace("/", "-"))
    if not os.path.isdir(folder):
        try:
            builder.download_and_prepare()
        # Raised by the code of the data set: no network, a file to fetch by hand, anything.
        except Exception as error:
            raise OSError(f"tfds:{name} could not be prepared: {_one_line(error)}") from error
        try:
            total = builder.info.splits[split].num_examples
        except ValueError as error:
            raise ValueError(f"tfds:{name}: {_one_line(error)}") from None
        _export(builder, split, total, image, identity, folder, progress)
    return FolderFaces(folder)


def _one_line(error):
    """The first line of an error's text that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _image(name, features):
    """The name of the image feature."""
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    if "image" in images:
        return "image"
    if len(images) != 1:
        raise ValueError(
            f"tfds:{name} has {len(images)} image features and none called image; its features are "
            f"{', '.join(features)}."
        )
    return images[0]


def _identity(name, features):
    """The name of the feature that says who is in an image."""
    for key in IDENTITY:
        feature = features[key] if key in features else None
        # CelebA's is a dict with one number in it.
        if isinstance(feature, tfds.features.FeaturesDict) and len(feature) == 1:
            (feature,) = feature.values()
        is_one = feature is not None and feature.shape == ()
        if is_one and np.dtype(feature.np_dtype).kind in "iuO":  # O: strings
            return key
    raise ValueError(
        f"tfds:{name} does not say who is in an image: of its features ({', '.join(features)}) "
        f"none is a number, string or class called {', '.join(IDENTITY)}."
    )


def _export(builder, split, total, image, identity, folder, progress):
    """Writes the images, then the landmarks; the folder has its name when all is in it."""
    partial = f"{folder}.partial"
    os.makedirs(partial, exist_ok=True)
    # The records come in the same order every time.
    done = len(_exported(partial))
    records = _records(builder, split, image, identity).skip(done).as_numpy_iterator()
    text = _identity_text(builder.info.features[identity])
    bar = tqdm(records, "Exporting images", total, initial=done, disable=not progress)
    for number, record in enumerate(bar, start=done):
        content = record[image]
        # What is in none of the formats is found by `check_images`.
        ending = next((e for start, e in FORMATS.items() if content.startswith(start)), ".jpg")
        person = os.path.join(partial, text(record[identity], number))
        os.makedirs(person, exist_ok=True)
        # Renamed when it is written, so that a kill leaves no half of an image.
        with open(f"{partial}.image", "wb") as file:
            file.write(content)
        os.replace(f"{partial}.image", os.path.join(person, f"{number:07d}{ending}"))
    if keys := _landmark_keys(builder.info.features):
        _export_landmarks(builder, split, keys, partial)
    # No power cut shall leave the folder with images that are not there yet.
    os.sync()
    os.rename(partial, folder)


def _records(builder, split, *wanted):
    """The records in their order, as a `tf.data.Dataset` of dicts of the features wanted."""
    encoded = [
        key for key in wanted if isinstance(builder.info.features[key], tfds.features.Image)
    ]
    return builder.as_dataset(
        split=split,
        decoders=tfds.decode.PartialDecoding(
            dict.fromkeys(wanted, True), {key: tfds.decode.SkipDecoding() for key in encoded}
        ),
        read_config=tfds.ReadConfig(try_autocache=False),
    )


def _exported(folder):
    """The exported images, a dict from number to IDENTITY/IMAGE."""
    return {
        int(os.path.splitext(image)[0]): f"{identity.name}/{image}"
        for identity in os.scandir(folder)
        if identity.is_dir()
        for image in os.listdir(identity)
    }


def _identity_text(feature):
    """The function of a record's identity and number that makes the name of a folder."""

    def text(value, number):
        while isinstance(value, dict):
            (value,) = value.values()
        if isinstance(feature, tfds.features.ClassLabel):
            value = feature.int2str(value) if value >= 0 else ""
        value = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        if not value:
            raise ValueError(
                f"Record {number} does not say who it is: choose a split where all of them do."
            )
        # A name with a slash would be a folder in a folder, one with a dot first a hidden one.
        return re.sub(r"^\.|[/\\%\0]", lambda found: f"%{ord(found[0]):02X}", value)

    return text


def _landmark_keys(features):
    """Names of the ten numbers in the feature `landmarks`, as CelebA has it; none without it.

    Its lefteye_x is our left_eye_x, its leftmouth_y our mouth_left_y.
    """
    landmarks = features["landmarks"] if "landmarks" in features else None
    if not isinstance(landmarks, tfds.features.FeaturesDict):
        return []
    keys = {key.replace("_", ""): key for key in landmarks}
    found = []
    for name in LANDMARKS:
        first, _, second = name.partition("_")
        for axis in "xy":
            found.append(keys.get(f"{first}{second}{axis}", keys.get(f"{second}{first}{axis}")))
    return [] if None in found else found


def _export_landmarks(builder, split, keys, folder):
    """Writes the landmarks.csv of an export."""
    records = _records(builder, split, "landmarks").as_numpy_iterator()
    points = np.array([[record["landmarks"][key] for key in keys] for record in records])
    points = points.reshape(-1, 5, 2)
    if np.median(points[:, 0, 0] - points[:, 1, 0]) > 0:
        # Named as the person sees it.
        points = points[:, [1, 0, 2, 4, 3]]
    names = _exported(folder)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", *NUMBERS])
    rows.writerows([names[i], *xy] for i, xy in enumerate(points.reshape(-1, 10).tolist()))
    write_atomically(
        os.path.join(folder, "landmarks.csv"), lambda file: file.write(text.getvalue().encode())
    )
