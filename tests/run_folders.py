"""The folders of runs, for several test files."""

from sparseface_tf.runs import RunFolder


def claim(experiment):
    """Claims the folder of an `Experiment` as its run does, and gives it free again."""
    folder = RunFolder(experiment.run.output)
    experiment.check_same(folder)
    with folder.claimed(experiment.description()):
        pass
