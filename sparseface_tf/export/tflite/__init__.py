"""TFLite files, their sparse weights computed with as such.

What runs a file (`litert.py`, `litert_worker.py`) imports neither TensorFlow nor Keras.
"""
