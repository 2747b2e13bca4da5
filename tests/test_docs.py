"""The documentation: its code runs, its commands parse, its links lead somewhere, its site builds.

The four doors of README.md run for real in other tests, on the smallest networks and faces: training
in test_train.py and test_detect.py, a file for a phone in test_export.py, recognition in
test_recognition.py; pruning one's own model runs here.
"""

import ast
import configparser
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from sparseface_tf.criteria.base import Criterion

ROOT = pathlib.Path(__file__).parent.parent
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    + list(ROOT.glob("docs/**/*.md"))
)
FENCE = re.compile(r"^```(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Run (python), parsed (sh, yaml), or read only: what is printed, and what cannot run here.
LANGUAGES = {"python", "sh", "yaml", "text", "console", "kotlin"}
# Code in a sentence that is a command to be given as it stands.
INLINE = re.compile(r"`((?:python (?:-m |\S+\.py)|sparseface )[^`]*)`")


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page):
    """The (language, content) of each block of code of a page."""
    return FENCE.findall(read(page))


def command_lines():
    """All command lines of all pages, (page, line); lines that end in a backslash are joined."""
    found = []
    for page in PAGES:
        for language, content in blocks(page):
            if language == "sh":
                lines = content.replace("\\\n", " ").splitlines()
                found += [(page, part) for line in lines for part in line.split(" && ") if line.strip()]
        for command in INLINE.findall(FENCE.sub("", read(page))):
            if "…" not in command:
                found.append((page, " ".join(command.split())))
    return found


PYTHON = [page for page in PAGES if any(language == "python" for language, _ in blocks(page))]


@pytest.mark.parametrize("page", PYTHON)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    (tmp_path / "saved_models").symlink_to(ROOT / "saved_models")
    monkeypatch.chdir(tmp_path)
    # A criterion that a page defines is known there only.
    monkeypatch.setattr(Criterion, "named", dict(Criterion.named))
    document = Sybil([PythonCodeBlockParser(), SkipParser()]).parse(ROOT / page)
    for example in document.examples():
        example.evaluate()


def test_readme_prints_what_it_says(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = next(content for language, content in blocks("README.md") if language == "python")
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.strip()
    assert f"prints `{printed}`" in read("README.md")


@pytest.mark.parametrize("page", PAGES)
def test_blocks_say_their_language(page):
    for language, content in blocks(page):
        if language == "" and page == "README.md":
            assert "pytest" in content  # the test command, as CI finds it
            continue
        assert language in LANGUAGES, content
        if language == "python":
            ast.parse(content)
        elif language == "yaml":
            assert yaml.safe_load(content)


def test_commands_parse(forks):
    lines = command_lines()
    assert {line.split()[0] for _, line in lines} >= {"sparseface", "python", "pip"}
    given = json.dumps([line for _, line in lines])
    code, output, errors = forks("tests/command_lines.py", text=given)
    assert code == 0, errors
    faults = json.loads(output.splitlines()[-1])
    assert not [(*line, fault) for line, fault in zip(lines, faults, strict=True) if fault]


def test_extras_exist():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for page in PAGES:
        for names in re.findall(r"(?:'\.|sparseface_tf)\[([\w,]+)\]'", read(page)):
            for name in names.split(","):
                assert name in setup["options.extras_require"], (page, name)


def slug(heading):
    """The anchor that forges and the site make of a heading."""
    heading = re.sub(r"`|\*\*|!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading))


@pytest.mark.parametrize("page", PAGES)
def test_links_work_on_a_forge(page):
    text = FENCE.sub("", read(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)$", FENCE.sub("", there.read_text(encoding="utf-8")))
            assert anchor in map(slug, headings), target


def test_readme_is_short():
    text = read("README.md")
    assert len(text.splitlines()) <= 200
    assert re.search(r"<!-- test command -->\n```\n.*pytest.*\n```\n<!-- end -->", text)


def rooms():
    """The names of all rooms in the contracts of import-linter."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    contracts = [setup[f"importlinter:contract:{name}"]["layers"] for name in ("rooms", "pipelines")]
    return set(re.findall(r"\w+", " ".join(contracts)))


def test_rooms_are_drawn():
    drawn = re.findall(r"<text[^>]*name\"[^>]*>(\w+)</text>", read("docs/images/rooms.svg"))
    # The two that hand on names of other rooms are in the page's text.
    assert set(drawn) == rooms() - {"callbacks", "joint_bayesian"}


def test_packages_have_pages():
    """What users import is on a page of the API."""
    pages = "\n".join(read(page) for page in PAGES if page.startswith("docs/api/"))
    documented = set(re.findall(r"(?m)^::: (\S+)$", pages))
    for package in ("sparseface_tf", "pipelines"):
        for path in (ROOT / package).glob("*/__init__.py"):
            if "__all__" in path.read_text(encoding="utf-8"):
                assert f"{package}.{path.parent.name}" in documented


def test_site(tmp_path):
    """Builds without a warning, and asks nobody else for anything."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES)
    for path in pages:
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?([^\"\s>]+)", text)
        loaded += re.findall(r"<link[^>]*\shref=\"?([^\"\s>]+)", text)
        assert not [target for target in loaded if re.match(r"(https?:)?//", target)], path
