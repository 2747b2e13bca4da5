"""What setup.cfg cannot say: folders at the top of the repository that travel inside the package.

`sparseface_tf.programs.shipped` finds them there, and in a checkout where they are.
"""

from setuptools import find_packages, setup

FOLDERS = {
    "sparseface_tf.flags": "flags",
    "sparseface_tf.saved_models.face": "saved_models/face",
    "sparseface_tf.saved_models.joined_75": "saved_models/joined_75",
}

setup(
    packages=[*find_packages(include=["pipelines*", "sparseface_tf*"]), *FOLDERS],
    package_dir=FOLDERS,
)
