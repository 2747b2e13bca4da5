"""Trains a sparse ConvNet: sparseface train --flagfile=stage3"""

import contextlib
import dataclasses

import tensorflow as tf

from pipelines.command_line import (
    check_arguments,
    define_flags,
    from_flags,
    one_line_errors,
    run,
    setting,
    typed_command,
)
from sparseface_tf.programs.backend import check_backend
from sparseface_tf.programs.flag_files import FlagFile, parse
from sparseface_tf.runs import RunFolder
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.session import own_session
from sparseface_tf.training.stages import Stages
from sparseface_tf.training.table import region_table


@dataclasses.dataclass
class Sheets:
    """Pictures to look at before training."""

    draw_regions: str = setting(
        "", "Only write a contact sheet of --region (all: --region=all) to this PNG."
    )
    draw_augmentation: str = setting(
        "", "Only write a contact sheet of the augmentation to this PNG."
    )


@dataclasses.dataclass
class Page:
    """What is made of a finished run."""

    page: bool = setting(
        False,
        "Then write the last stage as OUTPUT/network.tflite, and OUTPUT/run.html: sizes as files, "
        "tested pairs with their scores, the connections kept.",
    )


def main():
    define_flags(FlagFile)
    define_flags(Experiment)
    define_flags(Sheets, section="Sheets")
    define_flags(Page, section="Page")
    run(program, __doc__, parse)


def program(words):
    with one_line_errors(ValueError, OSError):
        check_arguments(words)
        check_backend()
        experiment = from_flags(Experiment)
        experiments = experiment.runs()
        for one in experiments:
            one.check()
        sheets = from_flags(Sheets)
        if sheets.draw_regions or sheets.draw_augmentation:
            draw(sheets, experiments)
            return
    page = from_flags(Page).page
    for one in experiments:
        train(one, page)
    if len(experiments) > 1:
        folders = {one.data.region: RunFolder(one.run.output) for one in experiments}
        print(region_table(experiment.run.output, folders))


@own_session()
def train(experiment, page):
    """Trains one experiment, or what is left of it, and writes its page if that is wanted."""
    with contextlib.ExitStack() as opened:
        with one_line_errors(ValueError, OSError):
            stages = opened.enter_context(Stages(experiment))
            stages.prepare()
        # An image that has gone, a disk that is full.
        kept = ". What is finished is kept; the same command goes on from there."
        expected = (OSError, tf.errors.NotFoundError, tf.errors.ResourceExhaustedError)
        with one_line_errors(*expected, end=kept), one_line_errors(FloatingPointError):
            print(stages.run())
        if page:
            write_page(stages)


def write_page(stages):
    """Writes the page of a finished run, and says where it is."""
    # Draws and converts, which training does without.
    from sparseface_tf.export.run_page import write_run_page  # noqa: PLC0415

    with one_line_errors(ValueError, OSError, end=" The stages are finished and kept."):
        table, page, file = write_run_page(stages.folder, stages.data, typed_command())
    print(f"{table}\nThe network is {file}; look at {page}.")


def draw(sheets, experiments):
    """Writes the contact sheets that were asked for, and nothing else."""
    # Draws with matplotlib, which training does without.
    from pipelines.drawing.sheets import draw_augmentation, draw_regions  # noqa: PLC0415

    first = experiments[0]
    faces = first.data.open_faces(first.run.seed)
    regions = [one.region() for one in experiments]
    if sheets.draw_regions:
        draw_regions(faces, regions, sheets.draw_regions)
    if sheets.draw_augmentation:
        draw_augmentation(faces, regions[0], first.augmentation.made(), sheets.draw_augmentation)
