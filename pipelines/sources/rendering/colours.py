"""The colours of a face in the light of a scene."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from pipelines.sources.rendering.head import Scalars


class Colours(NamedTuple):
    """Red, green and blue of each thing, float32 tensors (3,); tint is that of the light."""

    tint: tf.Tensor
    skin: tf.Tensor
    hair: tf.Tensor
    brows: tf.Tensor
    lips: tf.Tensor
    iris: tf.Tensor
    shirt: tf.Tensor
    dark: tf.Tensor


def colours_of(face: Scalars, scene: Scalars) -> Colours:
    """The colours, see `Colours`.

    Args:
        face: mapping of the names in `IDENTITY` to float scalars.
        scene: mapping of the names in `SCENE` to float scalars.
    """
    tint = tf.stack([1.0 - scene["light_blue"], 1.0 + scene["light_green"],
                     1.0 + scene["light_blue"]])
    red = face["skin_red"]
    skin = tint * (_blend([0.36, 0.22, 0.15], [0.93, 0.76, 0.66], tf.sigmoid(face["skin_tone"]))
                   + tf.stack([red, -red, -red]))
    hair = tint * (_blend([0.06, 0.05, 0.05], [0.72, 0.58, 0.40], tf.sigmoid(face["hair_tone"]))
                   + tf.stack([face["hair_red"], 0.0, -face["hair_red"]])) * (
                       1.0 + scene["hair_dark"])
    return Colours(
        tint=tint,
        skin=skin,
        hair=hair,
        brows=0.75 * hair + 0.1 * skin,
        lips=skin * tf.stack([0.92, 0.70 - face["lip_red"], 0.72 - face["lip_red"]]),
        iris=tint * _blend([0.22, 0.13, 0.07], [0.35, 0.50, 0.62], tf.sigmoid(face["eye_tone"])),
        shirt=tf.stack([scene["shirt_red"], scene["shirt_green"], scene["shirt_blue"]]),
        dark=tint * 0.06,
    )


def _blend(low: Sequence[float], high: Sequence[float], weight: tf.Tensor) -> tf.Tensor:
    """The colour between two constant ones."""
    return tf.constant(low) + (tf.constant(high) - tf.constant(low)) * weight
