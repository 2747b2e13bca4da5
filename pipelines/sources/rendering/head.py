"""The head: an ellipsoid seen from the front, turned by yaw and pitch.

Every pixel of its disc is a point on a unit sphere, so where a pixel lies on the head is known in
closed form. Lengths are in units of the average distance between the eyes.
"""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

EYE_DISTANCE = 34 / 128  # of the picture's width

Scalars = Mapping[str, tf.Tensor]


class Head(NamedTuple):
    """Where the head is in a picture, and where every pixel is on the head.

    All but the first four are float32 tensors (size, size).

    Attributes:
        unit: scalar, pixels an eye distance.
        sin_roll, cos_roll: scalars, of the angle by which the picture is turned.
        nose: (2,), the tip of the nose, x and y in the upright picture plane.
        x, y: upright coordinates from the head's centre, in eye distances.
        ball_x, ball_y, ball_z: the point on the unit sphere that is seen there.
        radius2: square of the distance from the middle of the sphere's disc, 1 at the outline.
        u, v: the head's own frontal coordinates, in eye distances.
        w: how far to the front of the head that point is, 1 at the front, -1 at the back.
        side: |u|, as most features are there on both sides.
    """

    unit: tf.Tensor
    sin_roll: tf.Tensor
    cos_roll: tf.Tensor
    nose: tf.Tensor
    x: tf.Tensor
    y: tf.Tensor
    ball_x: tf.Tensor
    ball_y: tf.Tensor
    ball_z: tf.Tensor
    radius2: tf.Tensor
    u: tf.Tensor
    v: tf.Tensor
    w: tf.Tensor
    side: tf.Tensor

    def inside(self, distance: tf.Tensor, softness: float = 1.0) -> tf.Tensor:
        """1 where distance (in eye distances) is positive, with an edge one pixel wide."""
        return tf.clip_by_value(distance * (self.unit / softness) + 0.5, 0.0, 1.0)


def place_head(face: Scalars, scene: Scalars, size: int) -> tuple[Head, tf.Tensor]:
    """Places the head in a picture.

    Args:
        face: mapping of the names in `IDENTITY` to float scalars.
        scene: mapping of the names in `SCENE` to float scalars.
        size: height and width of the picture in pixels.

    Returns:
        The `Head`, and the landmarks, float32 (5, 2): x, y in pixels in the order of
        `landmarks_of`.
    """
    unit = size * EYE_DISTANCE * scene["scale"]

    # The landmarks' centre stands a little below the middle.
    flat = project(landmarks_of(face, scene), face, scene)
    sin_roll, cos_roll = tf.sin(scene["roll"]), tf.cos(scene["roll"])
    turn = tf.stack([tf.stack([cos_roll, sin_roll]), tf.stack([-sin_roll, cos_roll])])
    middle = size * tf.stack([0.5 + scene["shift_x"], 0.585 + scene["shift_y"]])
    turned = tf.matmul(flat, turn) * unit
    origin = middle - tf.reduce_mean(turned, 0)

    # Every pixel in upright coordinates, on the sphere, and in the head's frontal coordinates.
    column = (tf.range(size, dtype=tf.float32) - origin[0]) / unit
    row = (tf.range(size, dtype=tf.float32)[:, None] - origin[1]) / unit
    x = column * cos_roll + row * sin_roll
    y = row * cos_roll - column * sin_roll
    ball_y = y / face["head_height"]
    ball_x = x / (face["head_width"] * _jaw(ball_y, face))
    radius2 = ball_x * ball_x + ball_y * ball_y
    ball_z = tf.sqrt(tf.maximum(1.0 - radius2, 0.0))
    sin_yaw, cos_yaw = tf.sin(scene["yaw"]), tf.cos(scene["yaw"])
    sin_pitch, cos_pitch = tf.sin(scene["pitch"]), tf.cos(scene["pitch"])
    depth = ball_x * sin_yaw + ball_z * cos_yaw
    u = (ball_x * cos_yaw - ball_z * sin_yaw) * face["head_width"]
    v = (ball_y * cos_pitch - depth * sin_pitch) * face["head_height"]
    w = ball_y * sin_pitch + depth * cos_pitch
    head = Head(
        unit, sin_roll, cos_roll, flat[2], x, y, ball_x, ball_y, ball_z, radius2, u, v, w, tf.abs(u)
    )
    return head, turned + origin


def project(points: tf.Tensor, face: Scalars, scene: Scalars) -> tf.Tensor:
    """Turns points of the head into the upright picture plane.

    Args:
        points: Float tensor (n, 3): frontal coordinates x, y in eye distances from the head's
            centre, and how far the point stands out of the ellipsoid, in its radius.
        face: Mapping of the names in `IDENTITY` to scalars.
        scene: Mapping of the names in `SCENE` to scalars.

    Returns:
        Float tensor (n, 2): x, y in eye distances from the head's centre.
    """
    u, v, out = tf.unstack(points, axis=1)
    u, v = u / face["head_width"], v / face["head_height"]
    w = tf.sqrt(tf.maximum(1.0 - u * u - v * v, 0.0)) + out
    sin_yaw, cos_yaw = tf.sin(scene["yaw"]), tf.cos(scene["yaw"])
    sin_pitch, cos_pitch = tf.sin(scene["pitch"]), tf.cos(scene["pitch"])
    y = v * cos_pitch + w * sin_pitch
    x = u * cos_yaw + (w * cos_pitch - v * sin_pitch) * sin_yaw
    width = face["head_width"] * _jaw(y, face)
    return tf.stack([x * width, y * face["head_height"]], axis=1)


def _jaw(y, face):
    """Width of the head at height y (-1 top … 1 chin) relative to an ellipse's."""
    return 1.0 - face["jaw"] * tf.square(tf.maximum(y, 0.0))


def landmarks_of(face: Scalars, scene: Scalars) -> tf.Tensor:
    """Eyes, nose and mouth corners in the head's own coordinates.

    Returns:
        Float tensor (5, 3) for `project`, in the order left eye, right eye, nose, left and
        right mouth corner; left is the viewer's left.
    """
    eye_x, eye_y, zero = face["eye_x"], face["eye_y"], tf.zeros(())
    mouth_x = face["mouth_width"] * (1.0 + 0.10 * scene["smile"])
    mouth_y = face["eye_y"] + face["mouth_y"] - 0.05 * scene["smile"]
    return tf.stack([
        tf.stack([-eye_x, eye_y, zero]), tf.stack([eye_x, eye_y, zero]),
        tf.stack([zero, eye_y + face["nose_length"], face["nose_height"]]),
        tf.stack([-mouth_x, mouth_y, zero]), tf.stack([mouth_x, mouth_y, zero])])
