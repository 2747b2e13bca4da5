"""Test sets in the layouts in which they are published, of rendered faces."""

import csv
import json

import numpy as np
import scipy.io
import tensorflow as tf

from pipelines.sources.synthetic import SyntheticFaces

SIZE = 32


def pictures(people, each):
    """Rendered pictures, uint8 (people, each, size, size, 3)."""
    faces = SyntheticFaces(identities=people, images_per_identity=each, size=SIZE)
    images = [faces.load(i)[0].numpy() for i in range(len(faces))]
    return np.reshape(images, (people, each, SIZE, SIZE, 3))


def video_frames(root, rendered):
    """NAME/VIDEO/VIDEO.FRAME.jpg: each person has videos 0 and 2, of one and of three frames."""
    for person, pictures in enumerate(rendered):
        for video, frames in ((0, pictures[:1]), (2, pictures[1:])):
            folder = root / f"Person_{person}" / str(video)
            folder.mkdir(parents=True)
            for number, frame in enumerate(frames):
                content = tf.io.encode_jpeg(frame, quality=95).numpy()
                (folder / f"{video}.{number + 10}.jpg").write_bytes(content)


SPLITS = """1, 1, Person_0/0, Person_0/2, 1
1, 2, Person_3/2, Person_3/0, 1
1, 3, Person_0/0, Person_1/2, 0
1, 4, Person_0/2, Person_2/2, 0
2, 1, Person_4/0, Person_4/2, 1
2, 2, Person_4/0, Person_5/0, 0"""


COLUMNS = (
    "TEMPLATE_ID,SUBJECT_ID,FILE,MEDIA_ID,SIGHTING_ID,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT,"
    "RIGHT_EYE_X,RIGHT_EYE_Y,LEFT_EYE_X,LEFT_EYE_Y,NOSE_BASE_X,NOSE_BASE_Y,FACE_YAW"
)
BOX = (20, 10, SIZE, SIZE)


def ijba_set(root, rendered):
    """Two splits of both protocols; subjects 100 … 105, each with a photograph and a video.

    Template 10 p + 1 is the photograph (medium p), 10 p + 2 the photograph and three frames of
    one video (medium 50 + p). In the search everybody but 104 and 105 is in the gallery.
    """
    for folder in ("img", "frame"):
        (root / "images" / folder).mkdir(parents=True)

    def row(template, person, file, media):
        return [template, 100 + person, file, media, 1, *BOX, *[""] * 6, "0.5"]

    photographs, videos = {}, {}
    for person, pictures in enumerate(rendered):
        names = [f"img/{person}.png", *(f"frame/{person}_{k:05d}.png" for k in range(1, 4))]
        for name, picture in zip(names, pictures):
            canvas = np.zeros((SIZE + 30, SIZE + 40, 3), np.uint8)
            canvas[10 : 10 + SIZE, 20 : 20 + SIZE] = picture
            (root / "images" / name).write_bytes(tf.io.encode_png(canvas).numpy())
        photographs[person] = row(10 * person + 1, person, names[0], person)
        videos[person] = [row(10 * person + 2, person, names[0], person)]
        videos[person] += [row(10 * person + 2, person, name, 50 + person) for name in names[1:]]
    for split in (1, 2):
        people = list(range(6))[::-1] if split == 1 else list(range(6))
        gallery = [photographs[p] for p in people if p < 4]
        probes = [line for p in people for line in videos[p]]
        tables = {"search_gallery": gallery, "search_probe": probes}
        tables["verify_metadata"] = gallery + probes + [photographs[p] for p in (4, 5)]
        for name, lines in tables.items():
            folder = root / ("11" if name == "verify_metadata" else "1N") / f"split{split}"
            folder.mkdir(parents=True, exist_ok=True)
            with open(folder / f"{name}_{split}.csv", "w", newline="") as file:
                file.write(COLUMNS + "\r\n")
                csv.writer(file).writerows(lines)
        pairs = [(10 * a + 1, 10 * b + 2) for a in range(6) for b in range(6)]
        if split == 2:
            pairs = pairs[::-1]
        text = "".join(f"{a},{b}\n" for a, b in pairs)
        (root / "11" / f"split{split}" / f"verify_comparisons_{split}.csv").write_text(text)


def lfw_images(root, rendered):
    """NAME/NAME_0001.jpg of uint8 (people, images, height, width, 3); returns the names."""
    names = [f"Person_{p:02d}" for p in range(len(rendered))]
    for name, faces in zip(names, rendered):
        (root / name).mkdir(parents=True)
        for i, face in enumerate(faces, start=1):
            content = tf.io.encode_jpeg(face, quality=95).numpy()
            (root / name / f"{name}_{i:04d}.jpg").write_bytes(content)
    return names


def lfw_set(root, rendered, folds=10, each=4, seed=0):
    """LFW: NAME/NAME_0001.jpg with pairs.txt, both lists of View 1, identification.json and BLUFR's
    configuration beside the people.

    Args:
        root: folder to write into.
        rendered: uint8 (people, images, height, width, 3).
        folds, each: folds of View 2, and pairs of either kind in each.
        seed: of the pairs.
    """
    people, images = rendered.shape[:2]
    names = lfw_images(root, rendered)
    rng = np.random.default_rng(seed)

    def lines(count):
        for _ in range(count):
            i, j = rng.permutation(images)[:2] + 1
            yield f"{names[rng.integers(people)]}\t{i}\t{j}"
        for _ in range(count):
            a, b = rng.permutation(people)[:2]
            i, j = rng.integers(images, size=2) + 1
            yield f"{names[a]}\t{i}\t{names[b]}\t{j}"

    view_2 = [f"{folds}\t{each}", *(line for _ in range(folds) for line in lines(each))]
    (root / "pairs.txt").write_text("\n".join(view_2) + "\n")
    (root / "pairsDevTrain.txt").write_text("\n".join(lines(12)) + "\n")
    (root / "pairsDevTest.txt").write_text("\n".join(lines(10)) + "\n")

    files = [f"{name}_{i:04d}.jpg" for name in names for i in range(1, images + 1)]
    first = np.arange(people) * images
    half = people // 2
    trials = {
        "images": [f"{name.rpartition('_')[0]}/{name}" for name in files],
        "closed": [{"gallery": first.tolist(), "probe": (first + 1).tolist()}] * 2,
        "open": [
            {
                "gallery": first[:half].tolist(),
                "genuine_probe": (first[:half] + 1).tolist(),
                "impostor_probe": (first[half:] + 1).tolist(),
            }
        ]
        * 2,
    }
    (root / "identification.json").write_text(json.dumps(trials))

    labels = np.repeat(np.arange(people), images) + 1
    train = np.flatnonzero(labels <= half) + 1
    test = np.flatnonzero(labels > half) + 1
    gallery, probes = first[half : half + 2] + 1, np.setdiff1d(test, first[half:] + 1)
    parts = {"trainIndex": train, "testIndex": test, "galIndex": gallery, "probIndex": probes}
    cells = {name: _cells([value] * 2) for name, value in parts.items()}
    scipy.io.savemat(
        root / "blufr_lfw_config.mat",
        {
            "imageList": _cells(files)[:, None],
            "labels": labels[:, None].astype(float),
            "devTrainIndex": train[:, None],
            "devTestIndex": test[:, None],
            **cells,
        },
    )


def _cells(values):
    """MATLAB's cell array."""
    cells = np.empty(len(values), object)
    cells[:] = values
    return cells
