"""What reproduce.py says before it trains: the plan, how long it takes, and the question."""

import io
import sys
import types

import pytest

from sparseface_tf.programs import reproduce
from sparseface_tf.reproduction import duration as durations
from sparseface_tf.reproduction.duration import duration, told_duration
from sparseface_tf.reproduction.reproducer import Reproducer, Reproduction
from sparseface_tf.reproduction.tables.base import DENSE, N1, N2
from sparseface_tf.training.experiment import Experiment

SMALL = dict(
    study=True, width=48, width_multiplier=0.125, identities=12, images_per_identity=6,
    held_out=4, pairs=4, epochs=3, retrain_epochs=1, branches=[], precision="float32",
)  # fmt: skip


@pytest.fixture
def reproducer(tmp_path):
    one = Reproducer(
        Reproduction(table=["3"], seeds=2), Experiment.of(output=str(tmp_path), **SMALL)
    )
    one.prepare()
    return one


@pytest.fixture
def takes(monkeypatch):
    """Function that says how long the training takes, in seconds."""
    return lambda seconds: monkeypatch.setattr(reproduce, "duration", lambda *_: seconds)


@pytest.fixture
def types_in(monkeypatch):
    """Function that answers at the keyboard; None: nobody is there."""

    def typed(text):
        there = io.StringIO(text or "")
        there.isatty = lambda: text is not None
        monkeypatch.setattr(sys, "stdin", there)

    return typed


def test_mini_batches_of_all_networks_are_counted(monkeypatch):
    monkeypatch.setattr(durations, "_seconds_a_step", lambda experiment, identities: 2.0)
    settings = Experiment.of(**SMALL)
    # 48 of 72 images are trained on: 6 mini-batches of 8 are an epoch.
    assert duration([(DENSE, 0)], settings) == 2 * 18
    assert duration([(DENSE, 0), (N1, 0), (N2, 0), (N1, 1)], settings) == 2 * (18 + 6 + 6 + 6)
    assert duration([], settings) == 0


def test_a_mini_batch_is_measured():
    assert 0 < duration([(N1, 0)], Experiment.of(**SMALL)) < 600


@pytest.mark.parametrize(
    "seconds, told",
    [
        (0.2, "1 second"), (45, "45 seconds"), (100, "2 minutes"), (3000, "50 minutes"),
        (7 * 3600, "7 hours"), (3.4 * 86400, "3 days"),
    ],
)  # fmt: skip
def test_durations_in_words(seconds, told):
    assert told_duration(seconds) == told


def test_long_training_is_asked_about(reproducer, takes, types_in, capsys):
    takes(7 * 3600)
    for answer in ("y\n", "Yes\n"):
        types_in(answer)
        reproduce.ask(reproducer)
    shown = capsys.readouterr().out
    count = len(reproducer.missing())
    assert f"Training {count} networks takes at least 7 hours" in shown and count > 6
    assert "--scale=smoke" in shown
    for answer in ("n\n", "\n", "what?\n"):
        types_in(answer)
        with pytest.raises(SystemExit, match="Nothing was trained"):
            reproduce.ask(reproducer)
    types_in(None)
    with pytest.raises(ValueError, match="Nobody is there to be asked: begin with --yes"):
        reproduce.ask(reproducer)


def test_scripts_and_short_trainings_are_not_asked(reproducer, takes, types_in, capsys):
    types_in(None)
    takes(60)
    reproduce.ask(reproducer)
    assert "at least 60 seconds" in capsys.readouterr().out
    takes(1e9)
    reproducer.reproduction.yes = True
    reproduce.ask(reproducer)
    reproducer.reproduction.yes, reproducer.reproduction.train = False, False
    reproduce.ask(reproducer)
    assert capsys.readouterr().out == ""


def test_the_plan_names_every_network(reproducer):
    lines = reproducer.plan().splitlines()
    assert lines[0].split("|")[1].strip() == "network" and "seed 1" in lines[0]
    assert sum(line.count("to be trained") for line in lines) == len(reproducer.missing())


def test_the_program_shows_the_plan_before_it_asks(monkeypatch, capsys, types_in, takes):
    takes(1e6)
    types_in(None)
    made = types.SimpleNamespace(
        prepare=lambda: None, plan=lambda: "THE PLAN", missing=lambda: [(DENSE, 0)],
        reproduction=Reproduction(table=["3"]), settings=None,
        run=lambda: pytest.fail("begun without an answer"),
    )  # fmt: skip
    monkeypatch.setattr(reproduce, "Reproducer", lambda *_: made)
    monkeypatch.setattr(reproduce, "from_flags", lambda kind: None)
    with pytest.raises(SystemExit, match="error: Nobody is there to be asked"):
        reproduce.program([])
    assert capsys.readouterr().out.startswith("THE PLAN\nTraining 1 network takes at least 12 days")
