"""What programs import before they answer: no TensorFlow for flags, and none to recognise by LiteRT."""

import os

import pytest
import tensorflow as tf
from forks import Forks
from PIL import Image

from pipelines.quiet import import_tensorflow, without_chatter
from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.channels.criteria import ChannelCriterion
from sparseface_tf.criteria import criteria
from sparseface_tf.evaluation import PROTOCOLS
from sparseface_tf.named import names_in
from sparseface_tf.reproduction import TABLES

HEAVY = ("tensorflow", "keras", "sklearn", "scipy", "matplotlib", "mtcnn")

# Each program with command lines that are refused, and what is said.
REFUSED = {
    "sparseface_tf.programs.train": [
        ("--steps=1 --network=none", "--network must be one of"),
        ("--steps=1 --criterion=none", "--criterion=none: there is no criterion"),
        ("--steps=1 --sparsify=1/2-f:none --retrain_steps=1", "--sparsify=1/2-f:none"),
        ("--steps=1 --identification=cosface --softmax_margin=2", "CosFace's margin"),
        ("--steps=1 --blur=99", "--blur must be in"),
        ("--steps=1 --region=none", "--region=none: no such region"),
    ],
    "sparseface_tf.programs.evaluate": [("--model=a --data=b --protocol=none", "--protocol=none")],
    "sparseface_tf.programs.export": [("--model=a --output=b --format=none", "--format=none")],
    "sparseface_tf.programs.reproduce": [("--table=none", "--table=none"), ("", "No table")],
    "sparseface_tf.programs.recognize": [("--far=3 gallery list", "--far must be")],
    "pipelines.commands.detect": [("", "No photographs given"), ("word", "Unknown argument")],
    "pipelines.commands.inspect": [("--data=a --distance=-1", "distance must be")],
    "pipelines.commands.write_records": [("--data=a", "No folder of records")],
}

# Runs a program, and adds to its answer what it has imported.
PROGRAM = f"""
import importlib, sys

del sys.argv[0]
try:
    importlib.import_module(sys.argv[0]).main()
finally:
    print([name for name in {HEAVY} if name in sys.modules])
"""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two photographs of a rendered person."""
    folder = tmp_path_factory.mktemp("photographs")
    faces = SyntheticFaces(identities=2, images_per_identity=2)
    paths = []
    for i in (0, 1):
        photograph = Image.new("RGB", (300, 260), (90, 90, 90))
        face = Image.fromarray(faces.load(tf.constant(i))[0].numpy())
        photograph.paste(face.resize((200, 200)), (50, 30))
        paths.append(str(folder / f"{i}.jpg"))
        photograph.save(paths[-1], quality=92)
    return paths


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """Function of a program's module and of words: (exit status, output, heavy modules imported)."""
    script = tmp_path_factory.mktemp("program") / "program.py"
    script.write_text(PROGRAM)

    def run(*words):
        status, output, errors = started(script, *words)
        *output, imported = output.splitlines()
        return status, "\n".join([*output, *errors.splitlines()]), imported

    with Forks(f"import {', '.join(REFUSED)}") as started:
        yield run


@pytest.mark.parametrize("module", REFUSED)
def test_flags_are_parsed_and_refused_without_tensorflow(answer, module):
    status, said, heavy = answer(module, "--help")
    assert (status, heavy) == (1, "[]") and "(default:" in said  # 1 is absl's
    status, said, heavy = answer(module, "--no_such_flag=1")
    assert (status, heavy) == (1, "[]") and "no_such_flag" in said
    for words, expected in REFUSED[module]:
        status, said, heavy = answer(module, *words.split())
        assert (status, heavy) == (1, "[]"), words
        assert said.startswith("error: ") and expected in said and "\n" not in said, words


def test_people_are_recognised_without_tensorflow(answer, photographs, tmp_path):
    gallery = f"--gallery={tmp_path / 'people.db'}"
    first, second = photographs
    for words, lines, expected in (
        (["verify", first, second], 2, " %"),
        (["enroll", "Ann", first], 1, "enrolled as Ann"),
        (["identify", second], 3, "Ann"),
        (["gallery", "list"], 2, "Ann: 1 face"),
    ):
        status, said, heavy = answer("sparseface_tf.programs.recognize", *words, gallery)
        # Its lines alone: no chatter of libraries.
        assert (status, heavy, len(said.splitlines())) == (0, "[]", lines), said
        assert expected in said


def test_names_that_flags_list_are_those_of_the_classes():
    assert names_in("sparseface_tf.criteria") == [
        name for name, kind in criteria().items() if kind.__module__.startswith("sparseface_tf.")
    ]
    assert names_in("sparseface_tf.channels.criteria") == sorted(
        name
        for name, kind in ChannelCriterion.named.items()
        if kind.__module__.startswith("sparseface_tf.")
    )
    with pytest.raises(ValueError, match="no module sparseface_tf.none"):
        names_in("sparseface_tf.none")


def test_what_is_imported_later_is_there():
    for name, later in {**PROTOCOLS, **TABLES}.items():
        module = __import__(later.module, fromlist=[later.kind])
        kind = getattr(module, later.kind)
        assert isinstance(kind, type) and kind.__module__ == later.module
        if name in TABLES:
            assert kind.name == name


def test_only_chatter_is_kept_back(capfd):
    with without_chatter():
        os.write(2, b"I0000 00:00:1795878679.734724    7044 port.cc:153] oneDNN custom operations\n")
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no memory\n")
        os.write(2, b"a warning\n")
    assert capfd.readouterr().err == "ERROR: no memory\na warning\n"
    with pytest.raises(OSError, match="gone"), without_chatter():
        os.write(2, b"what went wrong\nINFO: nothing\n")
        raise OSError("gone")
    assert capfd.readouterr().err == "what went wrong\n"
    assert import_tensorflow() is tf
