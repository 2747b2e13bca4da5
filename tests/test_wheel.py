"""What a wheel holds, and that the command works from it alone, in an empty folder."""

import configparser
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from programs import ROOT

# What a build reads, besides the packages.
FILES = ["setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"]
FOLDERS = ["pipelines", "sparseface_tf", "flags", "saved_models/face", "saved_models/joined_75"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Folder of an unpacked wheel, built from a copy so that no build folder is left here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source)
    # Without isolation: from the setuptools that is here, not from the network.
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as file:
        file.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture
def sparseface(wheel, tmp_path):
    """Function that runs the command in an empty folder: (exit status, output, errors)."""

    def run(*arguments):
        result = subprocess.run(
            [sys.executable, "-m", "sparseface_tf.programs", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(wheel)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert "Traceback" not in result.stderr
        return result.returncode, result.stdout, result.stderr

    return run


def contents(folder, *patterns):
    """Paths below a folder, and what is in them."""
    paths = [path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("package", ["pipelines", "sparseface_tf"])
def test_every_module_and_what_it_reads(wheel, package):
    patterns = ("*.py", "*.csv", "*.j2")
    here = contents(ROOT / package, *patterns)
    assert contents(wheel / package, *patterns) == here
    kinds = {path.rpartition(".")[2] for path in here}
    assert kinds == ({"py", "csv"} if package == "pipelines" else {"py", "j2"})


def test_flag_files_and_the_networks_to_recognise_and_to_serve_with(wheel):
    for name in ("flags", "saved_models/face", "saved_models/joined_75"):
        here = contents(ROOT / name, "*")
        assert here and contents(wheel / "sparseface_tf" / name, "*") == here


def test_nothing_else(wheel):
    tops = {path.name for path in wheel.iterdir() if path.suffix != ".dist-info"}
    assert tops == {"pipelines", "sparseface_tf"}


def test_the_command_is_installed(wheel):
    (path,) = wheel.glob("*.dist-info/entry_points.txt")
    points = configparser.ConfigParser()
    points.read(path)
    assert dict(points["console_scripts"]) == {"sparseface": "sparseface_tf.programs.command:main"}


def test_its_commands_are_listed(sparseface):
    code, output, _ = sparseface()
    assert code == 0 and "  recognize  " in output


def test_flag_files_are_found_by_name(sparseface):
    # They are read before the help is printed, with those inside of them.
    code, output, _ = sparseface("train", "--flagfile=paper/table3_f", "--helpfull")
    assert code == 1 and "--draw_regions:" in output  # absl ends --help with 1


def test_scales_are_found(sparseface):
    code, _, errors = sparseface("reproduce", "--table=none", "--scale=smoke")
    assert code == 1
    assert errors.splitlines()[-1].startswith("error: --table=none: choose from")


def test_the_network_to_recognise_with_is_opened(sparseface):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("mtcnn")
    code, _, errors = sparseface("recognize", "verify", "a.jpg", "b.jpg")
    assert code == 1 and "a.jpg" in errors.splitlines()[-1]
