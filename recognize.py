"""Recognises faces: python recognize.py verify A.jpg B.jpg; --help lists its commands."""

from sparseface_tf.programs.recognize import main

if __name__ == "__main__":
    main()
