"""What programs import before they answer: no TensorFlow for flags, and none to recognise by LiteRT."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf
from PIL import Image

from pipelines.quiet import import_tensorflow, without_chatter
from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.channels.criteria import ChannelCriterion
from sparseface_tf.criteria import criteria
from sparseface_tf.evaluation import PROTOCOLS
from sparseface_tf.named import names_in
from sparseface_tf.reproduction import TABLES

ROOT = pathlib.Path(__file__).parent.parent
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

# Imports the programs, and runs each command line in a fork of its own: it would take as many starts
# of Python otherwise.
SCRIPT = """
import contextlib, importlib, io, json, os, sys

modules, lines, heavy = json.loads(sys.stdin.read())
for module in modules:
    importlib.import_module(module)
answers = []
for module, *words in lines:
    reading, writing = os.pipe()
    if not os.fork():
        sys.argv, said, status = [module, *words], io.StringIO(), 0
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                importlib.import_module(module).main()
            except SystemExit as end:
                status = end.code
            except BaseException as error:
                status = repr(error)
        found = [name for name in heavy if name in sys.modules]
        with open(writing, "w") as file:
            json.dump([status, said.getvalue(), found], file)
        os._exit(0)
    os.close(writing)
    with open(reading) as file:
        answers.append(json.load(file))
    os.wait()
json.dump(answers, sys.stdout)
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
def answers(photographs, tmp_path_factory):
    """What programs answer: dict from a command line, a tuple of the program's module and of words, to
    (exit status or error, what is printed, heavy modules imported)."""
    gallery = f"--gallery={tmp_path_factory.mktemp('gallery') / 'people.db'}"
    recognize, (first, second) = "sparseface_tf.programs.recognize", photographs
    lines = [(module, flag) for module in REFUSED for flag in ("--help", "--no_such_flag=1")]
    lines += [(module, *words.split()) for module, each in REFUSED.items() for words, _ in each]
    lines += [
        (recognize, "verify", first, second, gallery),
        (recognize, "enroll", "Ann", first, gallery),
        (recognize, "identify", second, gallery),
        (recognize, "gallery", "list", gallery),
    ]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([[*REFUSED], lines, HEAVY]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no chatter of LiteRT, which writes past Python
    return dict(zip(lines, json.loads(done.stdout)))


@pytest.mark.parametrize("module", REFUSED)
def test_flags_are_parsed_and_refused_without_tensorflow(answers, module):
    status, said, heavy = answers[module, "--help"]
    assert (status, heavy) == (1, []) and "(default:" in said
    status, said, heavy = answers[module, "--no_such_flag=1"]
    assert (status, heavy) == (1, []) and "no_such_flag" in said
    for words, expected in REFUSED[module]:
        status, said, heavy = answers[module, *words.split()]
        assert heavy == [], words
        assert status.startswith("error: ") and expected in status and "\n" not in status, words


def test_people_are_recognised_without_tensorflow(answers):
    given = {words[1]: answer for words, answer in answers.items() if words[-1].startswith("--gallery=")}
    assert [*given] == ["verify", "enroll", "identify", "gallery"]
    assert all((status, heavy) == (None, []) for status, _, heavy in given.values()), given
    assert " %" in given["verify"][1]
    assert "enrolled as Ann" in given["enroll"][1]
    assert "1 face" in given["identify"][1] and "Ann" in given["identify"][1]
    assert given["gallery"][1].startswith("Ann: 1 face")


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
