"""The parts of a face: where each one is seen, as masks over the pixels of a `Head`.

A feature is painted where its outline holds in the head's own frontal coordinates.
"""

from typing import NamedTuple

import tensorflow as tf

from pipelines.sources.rendering.head import Head, Scalars, project


class Eyes(NamedTuple):
    """Both eyes; float32 tensors (size, size), masks from 0 to 1 unless said otherwise.

    Attributes:
        p, q: coordinates along an eye, 1 at its corners, and across it, in eye distances.
        eye, iris, pupil, lash: what is seen between the lids; the iris and the pupil reach beyond.
        socket: how deep the surroundings lie.
    """

    p: tf.Tensor
    q: tf.Tensor
    eye: tf.Tensor
    iris: tf.Tensor
    pupil: tf.Tensor
    lash: tf.Tensor
    socket: tf.Tensor


def eyes(face: Scalars, scene: Scalars, events: Scalars, head: Head) -> Eyes:
    """Both at once, as the coordinates outward from the nose mirror one another."""
    p = (head.side - face["eye_x"]) / face["eye_width"]
    q = head.v - face["eye_y"] + face["eye_tilt"] * (head.side - face["eye_x"])
    arc = 1.0 - p * p
    between_corners = head.inside(arc * 0.1 - 0.01)
    arc = tf.maximum(arc, 0.0)
    opening = face["eye_height"] * tf.maximum(scene["eye_open"], 0.15) * (
        1.0 - 0.92 * events["shut_eyes"])
    above_lid = q + arc * opening
    iris_p = head.u - tf.sign(head.u) * face["eye_x"] - scene["gaze"]
    from_pupil = tf.sqrt(iris_p * iris_p + q * q)
    return Eyes(
        p=p,
        q=q,
        eye=head.inside(above_lid) * head.inside(0.75 * opening * arc - q) * between_corners,
        iris=head.inside(0.098 - from_pupil),
        pupil=head.inside(0.042 - from_pupil),
        lash=head.inside(0.022 - tf.abs(above_lid)) * between_corners,
        socket=tf.exp(-0.8 * p * p - 22.0 * tf.square(q + 0.06)),
    )


class Brows(NamedTuple):
    """Both brows; float32 tensors (size, size).

    Attributes:
        line: height v of the brow's middle line.
        brow: mask from 0 to 1.
    """

    line: tf.Tensor
    brow: tf.Tensor


def brows(face: Scalars, scene: Scalars, head: Head) -> Brows:
    """An arch above each eye, thinner outward."""
    p = (head.side - face["brow_gap"]) / 0.62
    line = face["eye_y"] - face["brow_y"] - scene["brow_raise"] - face["brow_arch"] * (
        4.0 * p * (1.0 - p)) + face["brow_tilt"] * (1.0 - 2.0 * p)
    brow = head.inside(face["brow_thickness"] * (1.15 - 0.7 * p) - tf.abs(head.v - line), 2.0)
    brow *= head.inside(0.3 - tf.abs(p - 0.5) * 0.62, 3.0)
    return Brows(line, brow)


class Mouth(NamedTuple):
    """The mouth; float32 tensors (size, size), masks from 0 to 1.

    Attributes:
        bow: 1 in the middle, 0 at the corners and beyond.
        lips, line, teeth: what is seen of them.
    """

    bow: tf.Tensor
    lips: tf.Tensor
    line: tf.Tensor
    teeth: tf.Tensor


def mouth(face: Scalars, scene: Scalars, head: Head) -> Mouth:
    """Lips bound by parabolas over the distance from the middle."""
    p = head.side / (face["mouth_width"] * (1.0 + 0.10 * scene["smile"]))
    bow = 1.0 - p * p
    between_ends = head.inside(bow * 0.2 - 0.01)
    bow = tf.maximum(bow, 0.0)
    q = head.v - (face["eye_y"] + face["mouth_y"] - 0.05 * scene["smile"]) - (
        0.10 * scene["smile"]) * bow
    gap = tf.maximum(scene["open_mouth"], 0.0) * bow
    cupid = bow * (1.0 - 0.35 * tf.exp(-60.0 * p * p))
    lips = head.inside(q + face["upper_lip"] * cupid) * head.inside(
        gap + face["lower_lip"] * bow - q) * between_ends
    line = head.inside(q + 0.012) * head.inside(gap + 0.012 - q) * between_ends
    return Mouth(bow, lips, line, teeth=line * head.inside(0.5 * gap - 0.01 - q))


class Nose(NamedTuple):
    """The nose; float32 tensors (size, size), from 0 to 1.

    Attributes:
        ridge, wings: how far they stand out.
        nostrils: mask.
    """

    ridge: tf.Tensor
    wings: tf.Tensor
    nostrils: tf.Tensor


def nose(face: Scalars, scene: Scalars, head: Head) -> Nose:
    """In the plane of the picture, along the line from its root to its tip."""
    root = project(tf.stack([tf.zeros(()), face["eye_y"], tf.zeros(())])[None], face, scene)[0]
    along = head.nose - root
    length = tf.norm(along)
    along /= length
    t = ((head.x - root[0]) * along[0] + (head.y - root[1]) * along[1]) / length
    s = tf.abs((head.x - root[0]) * along[1] - (head.y - root[1]) * along[0])
    ramp = tf.clip_by_value(t, 0.0, 1.0)
    half = face["nose_width"] * (0.42 + 0.4 * ramp * ramp)
    below = tf.clip_by_value((1.22 - t) * 5.0, 0.0, 1.0)
    ridge = (0.25 + 0.75 * ramp) * tf.exp(-tf.square(s / half)) * below * tf.clip_by_value(
        (t + 0.35) * 3.0, 0.0, 1.0)
    wing_t = t - 1.02
    wings = tf.exp(-tf.square((s - face["nose_width"] * 0.85) * 13.0) - 40.0 * wing_t * wing_t)
    nostrils = tf.exp(-tf.square((s - face["nose_width"] * 0.48) * 17.0)
                      - 190.0 * tf.square(wing_t - 0.1))
    return Nose(ridge, wings, nostrils)


class Hair(NamedTuple):
    """Hair hangs behind the head, and covers the skull above the hairline and at the sides.

    Attributes:
        behind, front: masks from 0 to 1, float32 tensors (size, size).
    """

    behind: tf.Tensor
    front: tf.Tensor


def hair(face: Scalars, scene: Scalars, events: Scalars, head: Head) -> Hair:
    """Where hair is; a fringe brings the hairline down."""
    end = face["hair_sides"] * 3.5 + scene["hair_shift"]
    volume = 1.0 + face["hair_volume"]
    behind = head.inside((volume * volume - head.radius2) * 0.5, 3.0) * head.inside(
        end - head.y, 6.0)
    line = face["hairline"] + scene["hair_shift"] * 0.5 + 0.35 * events["fringe"]
    front = head.inside(
        tf.maximum(line + 0.12 * tf.cos(4.0 * head.u) - head.v,
                   tf.minimum(0.30 + 0.5 * face["hair_sides"] - head.w, end - head.v)), 3.0)
    return Hair(behind, front)


class Glasses(NamedTuple):
    """Glasses before the eyes; masks from 0 to 1, float32 tensors (size, size)."""

    lens: tf.Tensor
    rim: tf.Tensor


def glasses(face: Scalars, head: Head, seen: Eyes) -> Glasses:
    """Rounded squares around both eyes, with a bridge between them."""
    frame = tf.maximum(tf.abs(seen.p) * face["eye_width"] * 0.8, tf.abs(seen.q - 0.04))
    bridge = head.inside(0.03 - tf.abs(seen.q)) * head.inside(0.3 - head.side)
    rim = tf.maximum(head.inside(0.03 - tf.abs(frame - 0.26)), bridge)
    return Glasses(head.inside(0.25 - frame), rim)


def ears(face: Scalars, head: Head) -> tf.Tensor:
    """An ellipse on each side, behind the head; mask (size, size)."""
    x = (tf.abs(head.x) - face["head_width"] * 1.01) * 6.5
    y = (head.y - face["eye_y"] - 0.25) * 3.2
    return head.inside((1.0 - x * x - y * y) * 0.15)


def mole(face: Scalars, head: Head) -> tf.Tensor:
    """A dark spot; mask (size, size)."""
    x, y = head.u - face["mole_x"], head.v - face["mole_y"]
    return head.inside(0.032 - tf.sqrt(x * x + y * y))
