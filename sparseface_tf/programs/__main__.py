"""The command `sparseface` where it is not on the path: python -m sparseface_tf.programs train"""

import sys

from sparseface_tf.programs.command import main

if __name__ == "__main__":
    sys.exit(main())
