"""Finds faces in photographs and writes their landmarks: python -m pipelines.detect --data=DIR"""

from pipelines.commands.detect import main

if __name__ == "__main__":
    main()
