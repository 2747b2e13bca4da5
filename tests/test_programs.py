"""The command `sparseface`, the flag files that are found by name, and what a program imports."""

import dataclasses
import importlib
import os
import pathlib
import subprocess
import sys

import pytest
from forks import Forks
from programs import ROOT

from sparseface_tf.programs import command
from sparseface_tf.programs.flag_files import find_flag_file, parse, read_flag_files, shipped_names
from sparseface_tf.programs.shipped import shipped_root
from sparseface_tf.recognition.settings import DEFAULT_MODEL
from sparseface_tf.training.experiment import Experiment

STAGE3 = ["--sparsify=1/256-f", "--sparsify=1/128-5b", "--sparsify=1/2-4b"]
DOZEN = [
    *("data", "test_data", "test_pairs", "output", "sparsify", "criterion", "epochs"),
    *("retrain_epochs", "network", "learning_rate", "precision", "seed"),
]
# What training does without: drawing, pages, duplicates, detection, serving, other sources and
# back ends.
HEAVY = [
    *("matplotlib", "jinja2", "imagehash", "mtcnn", "kserve", "jax", "tensorflow_datasets"),
    *("ai_edge_litert", "ai_edge_quantizer", "tensorflow_model_optimization", "tf_keras"),
]


TRAINING = "import sparseface_tf.programs.train"


def python(*arguments, cwd=ROOT):
    """Runs Python with the checkout on its path.

    Returns:
        (exit status, standard output, standard error).
    """
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def forks():
    """Starts programs where training is imported already, without the packages above."""
    with Forks(f"import sys; sys.modules.update(dict.fromkeys({HEAVY})); {TRAINING}") as started:
        yield started


def sparseface(forks, *arguments, cwd):
    return forks("-m", "sparseface_tf.programs", *arguments, cwd=cwd)


# --- The command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_sparseface_lists_its_commands(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["sparseface", *arguments])
    assert command.main() == 0
    lines = capsys.readouterr().out.splitlines()
    names = "train evaluate export recognize reproduce detect inspect records serve".split()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == names


def test_an_unknown_command_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sparseface", "recognise", "verify"])
    assert command.main() == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1
    assert err.startswith("error: 'recognise' is no command of sparseface; the nearest is recognize")


def test_the_list_of_commands_imports_no_program():
    script = "import sys, sparseface_tf.programs.command; print(*sys.modules)"
    code, output, _ = python("-c", script)
    assert code == 0
    assert not {"tensorflow", "keras", "numpy", "absl", "pipelines"} & set(output.split())


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_has_a_program(name):
    program = importlib.import_module(command.COMMANDS[name][0])
    assert callable(program.main) and program.__doc__


def test_help_of_a_program_says_where_the_rest_is(tmp_path):
    code, output, _ = python("-m", "sparseface_tf.programs", "train", "--help", cwd=tmp_path)
    assert code == 1  # absl's
    assert output.startswith("Trains a sparse ConvNet: sparseface train --flagfile=stage3\n")
    shown = [line.split(":")[0].strip(" -") for line in output.splitlines() if line.startswith("  --")]
    assert shown == sorted([*DOZEN, "flagfile"])
    assert output.rstrip().endswith("Try --helpfull to get a list of all flags.")


def test_full_help_of_training_has_a_section_for_each_group(forks, tmp_path):
    code, output, _ = sparseface(forks, "train", "--helpfull", cwd=tmp_path)
    assert code == 1 and "--draw_regions:" in output
    for group in dataclasses.fields(Experiment):
        section = output.partition(f"\n{group.name.capitalize()}:\n")[2].partition("\n\n")[0]
        for field in dataclasses.fields(group.default):
            name = field.metadata["flag"] or field.name
            assert f"--{name}:" in section or f"--[no]{name}:" in section


def test_a_word_that_is_no_flag_is_one_line(forks, tmp_path):
    code, _, errors = sparseface(forks, "train", "faces", cwd=tmp_path)
    assert code == 1 and "Traceback" not in errors
    assert errors.splitlines()[-1] == "error: Unknown argument 'faces': flags begin with --."


# --- Flag files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["stage3", "stage3.cfg", "flags/stage3", "flags/stage3.cfg"])
def test_a_name_finds_the_file_that_ships(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    assert os.path.samefile(find_flag_file(path), ROOT / "flags" / "stage3.cfg")


def test_every_file_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = shipped_names()
    assert len(names) == len(list((ROOT / "flags").rglob("*.cfg")))
    assert {"stage3", "paper/table3_f", "scale/smoke"} <= set(names)
    for name in names:
        assert os.path.samefile(find_flag_file(name), ROOT / "flags" / f"{name}.cfg")


def test_a_file_that_is_there_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("stage3").write_text("--epochs=1\n")
    assert find_flag_file("stage3") == "stage3"
    pathlib.Path("flags").mkdir()
    pathlib.Path("flags/stage0.cfg").write_text("--epochs=2\n")
    assert read_flag_files(["program", "--flagfile=flags/stage0.cfg"]) == ["program", "--epochs=2"]


@pytest.mark.parametrize(
    "path, near",
    [
        ("stag3", "near it: stage3,"),
        ("flags/stag3.cfg", "near it: stage3,"),
        ("table3_f", "near it: paper/table3_f,"),
        ("paper/table3", "near it: paper/table3_f,"),
        ("nothing like it", "near it: "),
    ],
)
def test_an_unknown_name_is_told_with_those_near_it(tmp_path, monkeypatch, path, near):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=near) as error:
        find_flag_file(path)
    assert "\n" not in str(error.value)


def test_files_inside_of_files_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in (["--flagfile=stage3"], ["--flagfile", "stage3"], ["-flagfile=flags/stage3.cfg"]):
        read = read_flag_files(["program", "--a", *given, "--epochs=3"])
        assert read[:2] == ["program", "--a"] and read[-1] == "--epochs=3"
        assert [flag for flag in read if flag.startswith("--sparsify")] == STAGE3
        assert not [flag for flag in read if "flagfile" in flag]
    assert read_flag_files(["program", "--flagfile="]) == ["program"]


def test_one_of_ones_own_builds_on_one_that_ships(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("mine.cfg").write_text("# mine\n--flagfile=stage1\n\n--width=48\n")
    read = read_flag_files(["program", "--flagfile=mine.cfg"])
    assert "--sparsify=1/256-f" in read and read[-1] == "--width=48"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_flag_files_of_other_systems(tmp_path, encoding):
    """As editors write them elsewhere: a byte order mark, two bytes a letter, other line ends."""
    text = "# José's\r\n--steps=2\r\n--data=/José\r\n"
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (tmp_path / "mine.cfg").write_bytes((mark + text).encode(encoding))
    read = read_flag_files(["program", f"--flagfile={tmp_path}/mine.cfg"])
    assert read == ["program", "--steps=2", "--data=/José"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("--data=/José".encode("latin-1"), "is no text in UTF-8"),
        ("--data=/nope".encode("utf-16-le"), "is no text"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is no text"),
        (b"--flagfile=one.cfg", "includes itself, by way of"),
        (b"--flagfile=other.cfg", "there is no other.cfg"),
    ],
)
def test_files_that_are_no_flag_files(tmp_path, content, message):
    (tmp_path / "one.cfg").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_flag_files(["program", f"--flagfile={tmp_path}/one.cfg"])
    assert "\n" not in str(error.value)


def test_files_inside_of_ones_own_files_are_found_from_anywhere(tmp_path, monkeypatch):
    """Beside the file or above it, also where one that ships has the same name."""
    for name, text in {
        "flags/mine.cfg": "--flagfile=parts/sizes.cfg\n--flagfile=flags/stage0.cfg\n",
        "flags/parts/sizes.cfg": "--width=48\n--flagfile=more.cfg",
        "flags/parts/more.cfg": "--steps=3",
        "flags/stage0.cfg": "--epochs=9",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir("/")
    read = read_flag_files(["program", f"--flagfile={tmp_path}/flags/mine.cfg"])
    assert read == ["program", "--width=48", "--steps=3", "--epochs=9"]


def test_a_flag_file_without_a_name_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.cfg").write_text("--flagfile\n")
    for given in (["--flagfile"], [f"--flagfile={tmp_path}/mine.cfg"]):
        with pytest.raises(SystemExit, match="error: .*flagfile") as error:
            parse(["program", *given])
        assert "\n" not in str(error.value)


def test_the_command_finds_flag_files(forks, tmp_path):
    # --epochs and --steps exclude each other: the one is stage0.cfg's.
    words = ["train", "--flagfile=stage3", "--steps=3"]
    code, _, errors = sparseface(forks, *words, cwd=tmp_path)
    assert code == 1
    assert errors.splitlines()[-1].startswith("error: ") and "--steps or as --epochs" in errors
    code, _, errors = sparseface(forks, "train", "--flagfile=stag3", cwd=tmp_path)
    assert code == 1 and "Traceback" not in errors
    last = errors.splitlines()[-1]
    assert last.startswith("error: --flagfile=stag3: there is no stag3") and "stage3" in last


def test_the_program_at_the_root_takes_the_same(forks):
    code, _, errors = forks("train.py", "--flagfile=flags/stage3.cfg", "--steps=3")
    assert code == 1 and "--steps or as --epochs" in errors


# --- What travels, what is imported ---------------------------------------------------------------


def test_the_network_to_recognise_with_is_found():
    assert os.path.isfile(os.path.join(shipped_root(DEFAULT_MODEL), DEFAULT_MODEL, "model.tflite"))


def test_training_imports_no_heavy_package(forks, tmp_path):
    # Keras and TensorFlow import some of them where they are, and do without where they are not.
    (tmp_path / "imports.py").write_text(TRAINING)
    code, _, errors = forks(tmp_path / "imports.py")
    assert code == 0, errors


def test_a_pipe_is_a_flag_file(tmp_path):
    pipe = tmp_path / "flags"
    os.mkfifo(pipe)
    assert find_flag_file(str(pipe)) == str(pipe)
    with pytest.raises(ValueError, match="there is no"):
        find_flag_file(str(tmp_path))
