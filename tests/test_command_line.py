"""What the programs share: flags of nested settings, and errors of one line."""

import dataclasses
import sys

import pytest
from absl import flags

from pipelines.command_line import (
    check_arguments,
    define_flags,
    first_line,
    from_flags,
    one_line_errors,
    setting,
    typed_command,
)


@dataclasses.dataclass(frozen=True)
class Data:
    data: str = setting("synthetic", "Faces.", key=True)
    held_out: float = setting(0.15, "Share.")


@dataclasses.dataclass(frozen=True)
class Network:
    input_width: int = setting(0, "Width.", flag="width")
    branches: list = setting(["pool3", "pool4"], "Stages.")
    flip: bool = setting(True, "Mirror.")


@dataclasses.dataclass(frozen=True)
class Grouped:
    data: Data = Data()
    network: Network = dataclasses.field(default_factory=Network)
    sparsify: list = setting([], "One more stage.", repeated=True, key=True)
    output: str = setting("runs", "Folder.")


@dataclasses.dataclass
class Flat:
    model: str = setting("", "The network.")
    far: float = setting(0.001, "Rate.")


@pytest.fixture
def parse(monkeypatch):
    """Function from a class of settings and arguments to (settings, `FlagValues`)."""
    monkeypatch.setattr(sys, "argv", ["program"])

    def parsed(settings, *arguments, without=()):
        values = flags.FlagValues()
        define_flags(settings, values, without)
        values(["program", *arguments])
        return from_flags(settings, values), values

    return parsed


def test_defaults(parse):
    assert parse(Grouped)[0] == Grouped()
    assert parse(Flat)[0] == Flat()


def test_flags_of_groups_are_flat(parse):
    arguments = ["--data=faces", "--held_out=0.5", "--width=48", "--branches=pool3", "--noflip"]
    got, _ = parse(Grouped, *arguments, "--sparsify=1/2-f", "--sparsify=1/4-5a")
    assert got == Grouped(
        data=Data("faces", 0.5),
        network=Network(input_width=48, branches=["pool3"], flip=False),
        sparsify=["1/2-f", "1/4-5a"],
    )


def test_a_flag_of_another_name_replaces_the_fields(parse):
    _, values = parse(Grouped)
    assert "width" in values and "input_width" not in values


def test_what_is_left_out_keeps_its_default(parse):
    got, values = parse(Grouped, "--data=faces", without=("width", "output"))
    assert "width" not in values and "output" not in values
    assert got == Grouped(data=Data(data="faces"))


def test_paths_in_the_users_home(parse, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    settings, _ = parse(
        Grouped, "--data=~/faces", "--output=~", "--branches=~/a,b=~/c,~unknown/d,e~/f",
        "--sparsify=both=~/a,~/b", "--sparsify=1/256-f",
    )  # fmt: skip
    assert (settings.data.data, settings.output) == ("/home/ann/faces", "/home/ann")
    assert settings.network.branches == ["/home/ann/a", "b=/home/ann/c", "~unknown/d", "e~/f"]
    assert settings.sparsify == ["both=/home/ann/a,/home/ann/b", "1/256-f"]


def test_lists_of_defaults_are_not_shared(parse):
    got, _ = parse(Grouped)
    got.network.branches.append("f")
    assert Grouped().network.branches == ["pool3", "pool4"]


def test_each_group_is_a_section_of_the_full_help(parse):
    _, values = parse(Grouped)
    sections = {
        name: [flag.name for flag in found] for name, found in values.flags_by_module_dict().items()
    }
    assert sections == {
        "Data": ["data", "held_out"],
        "Network": ["width", "branches", "flip"],
        "Grouped": ["sparsify", "output"],
    }
    text = values.get_help()
    assert text.index("Data:") < text.index("--held_out:") < text.index("Grouped:")
    assert text.index("Network:") < text.index("--[no]flip:")


def test_the_short_help_has_the_key_settings(parse):
    text = parse(Grouped)[1].main_module_help()
    assert "--data:" in text and "--sparsify:" in text
    assert "--held_out:" not in text and "--width:" not in text and "--output:" not in text


def test_the_short_help_has_all_where_none_is_key(parse):
    text = parse(Flat)[1].main_module_help()
    assert "--model:" in text and "--far:" in text


def test_two_settings_of_one_flag():
    @dataclasses.dataclass
    class Twice:
        network: Network = dataclasses.field(default_factory=Network)
        width: int = setting(1, "Another.")

    with pytest.raises(flags.DuplicateFlagError, match="width"):
        define_flags(Twice, flags.FlagValues())


@pytest.mark.parametrize(
    "error, line",
    [
        (ValueError("one"), "one"),
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  \n two\nthree"), "two"),
        (ValueError(""), "ValueError"),
        (OSError(), "OSError"),
        (ValueError("\n \n"), "ValueError"),
    ],
)
def test_the_first_line_that_says_something(error, line):
    assert first_line(error) == line
    with pytest.raises(SystemExit) as end:
        with one_line_errors(ValueError, OSError, end="; so"):
            raise error
    assert end.value.code == f"error: {line}; so"


def test_other_errors_pass():
    with pytest.raises(KeyError):
        with one_line_errors(ValueError):
            raise KeyError("a")


def test_an_interrupt_says_what_is_left():
    with pytest.raises(SystemExit, match="^Interrupted; nothing was written.$"):
        with one_line_errors(ValueError, interrupted="nothing was written."):
            raise KeyboardInterrupt


def test_words_are_refused():
    check_arguments([])
    with pytest.raises(ValueError, match="'faces': flags begin with --"):
        check_arguments(["faces"])


@pytest.mark.parametrize(
    "argv, command",
    [
        (["train.py", "--data=a b"], "python train.py '--data=a b'"),
        (["sparseface train", "--epochs=2"], "sparseface train --epochs=2"),
        (["sparseface train"], "sparseface train"),
    ],
)
def test_the_command_as_it_was_typed(monkeypatch, argv, command):
    monkeypatch.setattr(sys, "argv", argv)
    assert typed_command() == command
