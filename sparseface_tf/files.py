"""JSON files that are either wholly there or not at all."""

import json

from pipelines.files import write_atomically


def write_json(path, value):
    """Writes a value as indented JSON, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def read_json(path):
    """The value in a JSON file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)
