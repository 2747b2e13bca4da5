"""Extension of griffe, which reads docstrings for the site: Keras' way of writing them.

Examples stand under "Example:" without indentation, and sections have names that griffe takes for
boxes of text.
"""

import re

import griffe

SECTIONS = {"Attributes of the class:": "Attributes:", "Variables:": "Attributes:"}
# "kernel, mask: …" would be kernel of the type mask.
TWO_NAMES = re.compile(r"(?m)^    \w+(?:, \w+)+: ")
DOCTEST = re.compile(r"(?m)^( *)(>>> .*\n(?:\1\S.*\n?)*)")


class Docstrings(griffe.Extension):
    def on_instance(self, *, obj, **_):
        """Puts examples into blocks of code, and names sections as griffe does."""
        if obj.docstring is None:
            return
        text = obj.docstring.value + "\n"
        for name, known in SECTIONS.items():
            text = re.sub(rf"(?m)^{name}$", known, text)
        text = TWO_NAMES.sub(lambda match: match[0].replace(", ", ",\u00a0"), text)
        obj.docstring.value = DOCTEST.sub(r"\1```python\n\1\2\1```\n", text).rstrip()
