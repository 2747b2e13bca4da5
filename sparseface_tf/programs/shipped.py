"""What travels with the package beside its modules: the flag files, and a network to recognise with.

In a checkout both lie at its top; setup.py puts them into the package that is installed.
"""

import os

import sparseface_tf


def shipped_root(path: str) -> str:
    """The folder that has `path` in it: that of the package, or that of the checkout.

    Args:
        path: such as "flags", with os.sep between the names.
    """
    package = os.path.dirname(os.path.abspath(sparseface_tf.__file__))
    if os.path.exists(os.path.join(package, path)):
        return package
    return os.path.dirname(package)
