"""Sparse ConvNets for face recognition (Sun, Wang, Tang, "Sparsifying Neural Network
Connections for Face Recognition") as a Keras 3 library.

Importing it is enough for `keras.saving.load_model` to know its layers.
"""

from sparseface_tf.registration import register_with_keras

__version__ = "0.1.0"

register_with_keras()
