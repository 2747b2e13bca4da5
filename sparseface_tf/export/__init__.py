"""Trained networks as files that other programs run: TFLite for phones, SavedModel for servers.

What runs an exported file (`litert.py`, `litert_worker.py`) imports neither TensorFlow nor Keras.
"""
