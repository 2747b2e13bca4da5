"""Speed of reading faces: regions, sources, and a plain OpenCV loop for comparison.

    pip install opencv-python-headless
    python benchmarks/reading.py [--data=DIR]

Prints, all measured in one run over the same images, by default JPEG files rendered for the purpose:
  images/s of one region over a Python loop that reads, estimates the same similarity transform
  and warps with OpenCV (goal: at least 1.5);
  time of all 25 regions of an image over that of one (goal: below 6);
  images/s of pairs from TFRecords over those from the folder (goal: at least 1.3).
"""

import os
import tempfile
import time

import numpy as np
from absl import app, flags
from input_pipeline import render

from pipelines.batches.batches import image_batches, pair_batches, region_batches
from pipelines.faces.alignment import TEMPLATE
from pipelines.faces.landmarks import read_landmarks
from pipelines.faces.regions import WHOLE_FACE, read_regions
from pipelines.records.reading import RecordFaces
from pipelines.records.writing import write_records
from pipelines.sources.folder import FolderFaces

_READ = flags.DEFINE_integer("read", 1024, "Images to read for each figure.", lower_bound=128)


def speed_of(batches, number, ahead=1):
    """Batches a second of a dataset of them, after those that may lie ready."""
    batches = iter(batches)
    for _ in range(ahead):
        next(batches)
    start = time.perf_counter()
    for count, _ in enumerate(batches, 1):
        if count == number:
            break
    return count / (time.perf_counter() - start)


def opencv_speed(data, images):
    """Images a second of a loop that gives the same crops."""
    # The peer, a package of an extra.
    import cv2  # noqa: PLC0415

    target = np.array(TEMPLATE, np.float32)
    table = list(read_landmarks(os.path.join(data, "landmarks.csv")).items())
    start = time.perf_counter()
    for i in range(images):
        name, landmarks = table[i % len(table)]
        image = cv2.cvtColor(cv2.imread(os.path.join(data, name)), cv2.COLOR_BGR2RGB)
        matrix, _ = cv2.estimateAffinePartial2D(landmarks, target, method=cv2.LMEDS)
        crop = cv2.warpAffine(image, matrix, (96, 112))
        (crop.astype(np.float32) - 127.5) / 128.0
    return images / (time.perf_counter() - start)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    with tempfile.TemporaryDirectory() as temporary:
        data = flags.FLAGS.data
        if not data:
            data = os.path.join(temporary, "faces")
            os.mkdir(data)
            render(data)
        faces = FolderFaces(data)
        indices = np.arange(_READ.value + 32) % len(faces)
        batch = 32
        batches = _READ.value // batch

        one = batch * speed_of(image_batches(faces, indices, batch=batch), batches)
        print(f"one region      {one:8.0f} images/s")
        loop = opencv_speed(data, _READ.value)
        print(f"OpenCV loop     {loop:8.0f} images/s: ratio {one / loop:.2f} (goal: at least 1.5)")
        regions = list(read_regions().values())
        every = batch * speed_of(region_batches(faces, regions, indices, batch=batch), batches)
        print(f"all 25 regions  {every:8.0f} images/s: {one / every:.2f} times one (goal: below 6)")

        endless = dict(pairs=64, region=WHOLE_FACE)
        # Many batches lie ready when the clock is started.
        batches, ahead = max(80, _READ.value // 128), 20
        pairs = 128 * speed_of(pair_batches(faces, **endless), batches, ahead)
        print(f"pairs, folder   {pairs:8.0f} images/s")
        for encoding in ("faces", "original"):
            path = os.path.join(temporary, f"records of {encoding}")
            write_records(faces, path, encoding=encoding, progress=False)
            records = 128 * speed_of(pair_batches(RecordFaces(path), **endless), batches, ahead)
            print(
                f"records, {encoding:8s}{records:6.0f} images/s: ratio {records / pairs:.2f} "
                "(goal: at least 1.3)"
            )


if __name__ == "__main__":
    app.run(main)
