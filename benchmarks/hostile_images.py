"""Some thousand damaged images through the decoder that recognition and training use.

    python benchmarks/hostile_images.py [--images=5000] [--seed=0]

Rendered faces as JPEG (also progressive, and of four inks), PNG, BMP, GIF (also of several frames)
and WebP (with and without loss), damaged at random, then files that claim to be huge. Each must give
an image or an error; the process must live, and its memory stay within bounds (goal: below 300 MiB
more than at the start). A few images are also read as recognize.py reads photographs.
"""

import collections
import os
import pathlib
import resource
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The damage is what the tests do.
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))

import numpy as np
import tensorflow as tf
import tqdm
from absl import app, flags
from mutations import bombs, files, mutated, picture_or_reason

from pipelines.faces.images import decode
from sparseface_tf.recognition.photos import UnusablePhoto, open_photo

IMAGES = flags.DEFINE_integer("images", 5000, "Damaged images.")
SEED = flags.DEFINE_integer("seed", 0, "Of the damage.")


def main(_):
    generator = np.random.default_rng(SEED.value)
    intact = files(size=64, faces=4)
    contents = [content for _, content in intact]
    graph = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])
    for content in contents:
        picture_or_reason(content, graph)
    huge = bombs()

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    before, pictures, slowest = peak(), collections.Counter(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "photo"
        for number in tqdm.tqdm(range(IMAGES.value), unit=" images"):
            kind, content = intact[number % len(intact)]
            content = mutated(content, generator, contents)
            start = time.perf_counter()
            found = picture_or_reason(content, graph)
            slowest = max(slowest, time.perf_counter() - start)
            pictures[kind] += isinstance(found, tuple)
            if number % 20 == 0:
                path.write_bytes(content)
                try:
                    open_photo(path)
                except UnusablePhoto:
                    pass
    for name, content in huge.items():
        if isinstance(picture_or_reason(content, graph), tuple):
            sys.exit(f"error: {name} of 900 million pixels was decoded.")
    print(f"{IMAGES.value:,} damaged images: {pictures.total():,} still decoded, no crash.")
    print("Of each kind:", ", ".join(f"{kind} {count}" for kind, count in pictures.items()))
    print(f"Slowest: {slowest:.2f} s. Huge ones refused: {len(huge)}.")
    print(f"Memory: {peak() - before:.0f} MiB more than at the start (goal: below 300).")


if __name__ == "__main__":
    app.run(main)
