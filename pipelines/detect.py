"""Finds faces in photographs and writes their landmarks: python -m pipelines.detect --data=DIR"""

from absl import app

from pipelines.commands.detect import define_flags, main

if __name__ == "__main__":
    define_flags()
    app.run(main)
