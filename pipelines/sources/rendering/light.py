"""Light on the head: it falls on the sphere's normals, bent by the slopes of a height field."""

import tensorflow as tf

from pipelines.sources.rendering.features import Brows, Eyes, Mouth, Nose
from pipelines.sources.rendering.head import Head, Scalars


def relief(face: Scalars, head: Head, eyes: Eyes, brows: Brows, mouth: Mouth, nose: Nose) -> tf.Tensor:
    """How far nose, cheeks, chin, brows and lips stand out, and sockets lie back; (size, size)."""
    cheeks = tf.exp(
        -6.0 * tf.square(head.side - 0.58) - 7.0 * tf.square(head.v - face["eye_y"] - 0.5))
    chin = tf.exp(-6.0 * head.u * head.u - 14.0 * tf.square(head.v - 1.52))
    ridge = tf.exp(-22.0 * tf.square(head.v - brows.line) - 0.8 * eyes.p * eyes.p)
    return (face["nose_height"] * 0.85 * nose.ridge + 0.07 * nose.wings + face["cheek"] * cheeks
            + face["chin"] * chin + 0.045 * ridge - face["socket"] * eyes.socket
            + 0.035 * mouth.lips * mouth.bow - 0.03 * mouth.line)


def shading(scene: Scalars, head: Head, height: tf.Tensor) -> tf.Tensor:
    """Brightness of every pixel of the head under one lamp and light from all around.

    Args:
        scene: mapping of the names in `SCENE` to float scalars.
        head: `Head`.
        height: float32 (size, size), see `relief`.

    Returns:
        float32 (size, size).
    """
    slope_x = (tf.roll(height, -1, 1) - tf.roll(height, 1, 1)) * (0.5 * head.unit)
    slope_y = (tf.roll(height, -1, 0) - tf.roll(height, 1, 0)) * (0.5 * head.unit)
    light = tf.stack([scene["light_x"], scene["light_y"], tf.ones(())])
    light /= tf.norm(light)
    upright_x = light[0] * head.cos_roll + light[1] * head.sin_roll
    upright_y = light[1] * head.cos_roll - light[0] * head.sin_roll
    facing = (head.ball_x * upright_x + head.ball_y * upright_y + head.ball_z * light[2]
              - slope_x * light[0] - slope_y * light[1]) * tf.math.rsqrt(
                  1.0 + slope_x * slope_x + slope_y * slope_y)
    lit = tf.maximum(facing, 0.0)
    shine = tf.square(tf.square(lit))
    return scene["ambient"] + scene["light_strength"] * lit + 0.12 * shine * shine


def freckles(face: Scalars, head: Head) -> tf.Tensor:
    """By how much the skin is brighter or darker from place to place; (size, size), about 1."""
    freckle = tf.sin(9.0 * head.u + 5.0 * head.v + 9.0 * face["mole_x"]) * tf.sin(
        7.0 * head.v - 6.0 * head.u + 9.0 * face["mole_y"])
    return 1.0 + face["freckles"] * freckle
