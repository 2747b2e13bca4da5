"""Draws one face: all its parts, painted one over another from the back to the front."""

import tensorflow as tf

from pipelines.sources.rendering import features
from pipelines.sources.rendering.background import clutter
from pipelines.sources.rendering.colours import colours_of
from pipelines.sources.rendering.head import Head, Scalars, place_head
from pipelines.sources.rendering.layers import Layers
from pipelines.sources.rendering.light import freckles, relief, shading
from pipelines.sources.rendering.photograph import photograph


def draw(
    face: Scalars, scene: Scalars, events: Scalars, key: tf.Tensor, size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws one picture.

    Args:
        face: Mapping of the names in `IDENTITY` to float scalars.
        scene: Mapping of the names in `SCENE` to float scalars.
        events: Mapping of the names in `EVENTS` to 0.0 or 1.0.
        key: Integer tensor (2,), the seed of background and noise.
        size: Height and width of the picture in pixels.

    Returns:
        The picture, uint8 (size, size, 3), and the landmarks, float32 (5, 2): x, y in pixels
        in the order of `landmarks_of`.
    """
    head, landmarks = place_head(face, scene, size)
    layers = _paint(face, scene, events, head)
    clutter_key, noise_key = tf.unstack(tf.random.split(key, 2))
    picture = layers.compose(clutter(clutter_key, size))
    return photograph(picture, scene, events, noise_key, size), landmarks


def _paint(face: Scalars, scene: Scalars, events: Scalars, head: Head) -> Layers:
    """All that is before the background, the hindmost first."""
    eyes = features.eyes(face, scene, events, head)
    brows = features.brows(face, scene, head)
    mouth = features.mouth(face, scene, head)
    nose = features.nose(face, scene, head)
    hair = features.hair(face, scene, events, head)
    glasses = features.glasses(face, head, eyes)
    shade = shading(scene, head, relief(face, head, eyes, brows, mouth, nose))
    colours = colours_of(face, scene)

    on_head = head.inside((1.0 - head.radius2) * 0.55)
    beard = head.inside(head.v - 0.72 - 0.3 * mouth.bow, 12.0) * tf.maximum(face["beard"], 0.0)
    strands = shade * (
        0.9 + 0.12 * tf.sin(31.0 * head.u + 9.0 * head.w + 2.0 * tf.sin(4.0 * head.v)))
    neck = head.inside(0.72 - tf.abs(head.x)) * head.inside(head.y - 0.8)
    shoulders = head.inside(head.y - 2.05 - 0.12 * head.x * head.x)
    scarf = head.inside(head.y - 0.62 - 0.1 * tf.sin(5.0 * head.x))

    layers = Layers()
    layers.paint(hair.behind, colours.hair * 0.6, strands)
    layers.paint(neck, colours.skin * 0.6)
    layers.paint(shoulders, colours.shirt)
    layers.paint(features.ears(face, head), colours.skin * 0.75)
    layers.paint(on_head, colours.skin, shade * freckles(face, head))
    layers.paint(on_head * beard, colours.brows, shade)
    layers.paint(features.mole(face, head), colours.skin * 0.35, shade)
    layers.paint(nose.nostrils * 0.75, colours.dark)
    layers.paint(mouth.lips, colours.lips, shade)
    layers.paint(mouth.line, colours.dark)
    layers.paint(mouth.teeth, colours.tint * 0.8, shade)
    layers.paint(eyes.eye, colours.tint * 0.88, shade)
    layers.paint(eyes.eye * eyes.iris, colours.iris, shade)
    layers.paint(eyes.eye * eyes.pupil, colours.dark)
    layers.paint(eyes.lash, colours.dark)
    layers.paint(brows.brow * on_head * 0.9, colours.brows, shade)
    layers.paint(hair.front * on_head, colours.hair, strands)
    layers.paint(glasses.rim * on_head * events["glasses"], colours.dark)
    layers.paint(
        tf.maximum(glasses.lens, glasses.rim) * on_head * events["sunglasses"], colours.dark)
    layers.paint(scarf * events["scarf"], colours.shirt * 0.9)
    return layers
