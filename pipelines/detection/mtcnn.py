"""Faces and their landmarks by MTCNN, with its three networks as LiteRT files.

Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks" (2016): P-Net proposes squares all over an image pyramid, R-Net and O-Net look at them again,
O-Net finds the landmarks. The weights are those of the package mtcnn 1.0 (MIT licence, after
github.com/davidsandberg/facenet), which `python -m sparseface_tf.export.tflite.detector` converts.
What happens between the networks is that package's, to the threshold and the pixel: it finds the same
faces, see tests/test_mtcnn.py. Unlike there, no image moves the landmarks of another one in its batch.
"""

import os
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from pipelines.detection.boxes import overlapping_less, squares
from pipelines.detection.face import Face
from pipelines.faces.arrays import bilinear, normalised
from pipelines.faces.resizing import resized
from pipelines.quiet import without_chatter

FOLDER = os.path.join(os.path.dirname(__file__), "networks")
# The networks' files, and the pixels that each looks at.
NETWORKS = {"pnet": 12, "rnet": 24, "onet": 48}
# What they put out: how far each side of a box is off, in its sides; landmarks, in sides from the left
# upper corner, all x before all y; probabilities of no face and of a face.
SHIFT, LANDMARKS, SCORE = "shift", "landmarks", "score"
SMALLEST_FACE = 20  # pixels
FACTOR = 0.709  # from one level of the pyramid to the next
STRIDE = 2  # pixels of a level between two places that P-Net looks at
# Scores from which on squares are kept by each network.
SCORES = {"pnet": 0.6, "rnet": 0.7, "onet": 0.8}
# Overlap with a better one beyond which a square is dropped.
WITHIN_LEVEL, OVERLAP = 0.5, 0.7


class MtcnnDetector:
    """MTCNN as a detector for `pipelines.detection`; it finds faces from 20 pixels on.

    Args:
        threads: threads of LiteRT.
    """

    def __init__(self, threads: int = 1) -> None:
        def opened(name):
            path = os.path.join(FOLDER, f"{name}.tflite")
            network = Interpreter(path, num_threads=threads)
            if name != "pnet":  # whose input has no size yet
                with without_chatter():
                    network.allocate_tensors()
            return network.get_signature_runner()

        self._open = opened
        self._refining = {name: opened(name) for name in ("rnet", "onet")}
        # One for every shape of P-Net's input: a change of shape plans a network's memory anew.
        self._proposing: dict[tuple[int, ...], Any] = {}

    def __call__(self, images: NDArray[np.uint8]) -> list[list[Face]]:
        """Finds the faces in some images, one image at a time.

        Args:
            images: uint8 array (n, height, width, 3), RGB.

        Returns:
            A list of n lists of `Face`, the surest first.
        """
        return [self._faces(normalised(image.astype(np.float32))) for image in images]

    def _faces(self, image):
        boxes, scores = self._proposed(image)
        boxes = squares(boxes)
        for name in ("rnet", "onet"):
            if not len(boxes):
                return []
            size = NETWORKS[name]
            found = self._refining[name](image=_patches(image, boxes, size))
            sides = boxes[:, 2:] - boxes[:, :2] + 1
            if name == "onet":
                places = found[LANDMARKS].reshape(-1, 2, 5).transpose(0, 2, 1)
                points = places * sides[:, None] + boxes[:, None, :2] - 1
            boxes, scores = boxes + found[SHIFT] * np.tile(sides, 2), found[SCORE][:, 1]
            sure = np.flatnonzero(scores > SCORES[name])
            kept = sure[
                overlapping_less(boxes[sure], scores[sure], OVERLAP, of_smaller=name == "onet")
            ]
            boxes, scores = boxes[kept], scores[kept]
            if name == "rnet":
                boxes = squares(boxes)
        return [Face(*one) for one in zip(boxes, scores.tolist(), points[kept])]

    def _proposed(self, image):
        """Boxes, float64 (n, 4), and their scores, float64 (n,), that P-Net proposes."""
        found = [(np.zeros((0, 4)), np.zeros(0))]
        size = NETWORKS["pnet"]
        scale = size / SMALLEST_FACE
        while min(int(side * scale) for side in image.shape[:2]) >= size:
            height, width = (int(side * scale) for side in image.shape[:2])
            level = resized(image, height, width, area=True)[None]
            if level.shape not in self._proposing:
                self._proposing[level.shape] = self._open("pnet")
            output = self._proposing[level.shape](image=level)
            shift, score = output[SHIFT], output[SCORE]
            y, x = np.nonzero(score[0, ..., 1] > SCORES["pnet"])
            corner = np.stack([x, y], 1) * STRIDE + 1
            boxes = np.concatenate([corner, corner + size - 1], 1) + shift[0, y, x] * (size - 1)
            boxes, scores = boxes / scale, score[0, y, x, 1].astype(np.float64)
            kept = overlapping_less(boxes, scores, WITHIN_LEVEL)
            found.append((boxes[kept], scores[kept]))
            scale *= FACTOR
        boxes, scores = map(np.concatenate, zip(*found))
        kept = overlapping_less(boxes, scores, OVERLAP)
        return boxes[kept], scores[kept]


def _patches(image, boxes, size):
    """Squares cut out of an image, float32 (n, size, size, 3); 0, a middle grey, beyond its sides."""
    height, width = image.shape[:2]
    # What TensorFlow's `crop_and_resize` makes of boxes in shares of the image's sides.
    share = np.arange(size) / (size - 1)
    sides = np.tile([width, height], 2)
    left, top, right, bottom = (boxes / sides * (sides - 1)).T[..., None]
    x, y = left + share * (right - left), top + share * (bottom - top)
    x, y = np.broadcast_arrays(x[:, None, :], y[:, :, None])
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return bilinear(image, x, y) * inside[..., None]
