"""Planes painted one over another, composed so that all colouring is one small matrix product."""

import tensorflow as tf


class Layers:
    """Masks painted one over another, and the colours they carry."""

    def __init__(self):
        self._layers = []

    def paint(self, mask, colour, shade=None):
        """Puts a colour (3,) over what is below where mask (size, size) is 1."""
        self._layers.append((mask, colour, shade))

    def compose(self, background):
        """Looks through all layers from the front.

        Args:
            background: Float tensor (3, size, size), seen where no layer covers.

        Returns:
            Float tensor (3, size, size).
        """
        weights, colours, through = [], [], None
        for mask, colour, shade in reversed(self._layers):
            weight = mask if through is None else through * mask
            through = 1.0 - weight if through is None else through - weight
            weights.append(weight if shade is None else weight * shade)
            colours.append(colour)
        painted = tf.tensordot(tf.stack(colours, 1), tf.stack(weights), 1)
        return painted + background * through
