"""Sparse ConvNets for face recognition (Sun, Wang, Tang, "Sparsifying Neural Network
Connections for Face Recognition") as a Keras 3 library."""

__version__ = "0.1.0"
