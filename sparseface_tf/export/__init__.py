"""Trained networks as files that other programs run: TFLite for phones.

What runs an exported file (`litert.py`, `litert_worker.py`) imports neither TensorFlow nor Keras.
"""
