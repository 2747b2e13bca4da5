"""Serves a SavedModel by KServe's Python server: python -m sparseface_tf.serving --model=PATH"""

from sparseface_tf.serving.command import main

if __name__ == "__main__":
    main()
