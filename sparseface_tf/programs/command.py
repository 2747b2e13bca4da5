"""The command `sparseface`: its first word chooses a program, which has the rest."""

import difflib
import importlib
import sys

import sparseface_tf

# Module of each sub-command, whose `main` runs it, and what it does. Only the one that is chosen is
# imported: TensorFlow takes seconds.
COMMANDS = {
    "train": (
        "sparseface_tf.programs.train",
        "Train a network, then make it sparse stage by stage.",
    ),
    "evaluate": ("sparseface_tf.programs.evaluate", "Evaluate networks by published protocols."),
    "export": ("sparseface_tf.programs.export", "Write a network for a phone or for a server."),
    "recognize": ("sparseface_tf.programs.recognize", "Recognise people in photographs."),
    "reproduce": ("sparseface_tf.programs.reproduce", "Reproduce the tables of the papers."),
    "detect": ("pipelines.commands.detect", "Find the faces in photographs and their landmarks."),
    "inspect": ("pipelines.commands.inspect", "Report on a data set: counts, duplicates, overlap."),
    "records": ("pipelines.commands.write_records", "Write a data set as sharded records."),
    "serve": ("sparseface_tf.programs.serve", "Serve a network over HTTP and gRPC."),
}


def overview() -> str:
    """What `sparseface --help` says."""
    lines = [f"  {name:<11}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "Sparse networks for face recognition: sparseface COMMAND [--flag=…], where COMMAND is one of",
            "",
            *lines,
            "",
            "sparseface COMMAND --help shows the flags of a command, sparseface --version the version.",
        ]
    )


def main() -> int:
    """Runs the command line.

    Returns:
        The exit status.
    """
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "help"):
        print(overview())
        return 0
    if name == "--version":
        print(f"sparseface_tf {sparseface_tf.__version__}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0)[0]
        print(
            f"error: '{name}' is no command of sparseface; the nearest is {near}, sparseface --help "
            "lists all.",
            file=sys.stderr,
        )
        return 2
    program = importlib.import_module(COMMANDS[name][0])
    # What --help and reports name as the program.
    sys.argv = [f"sparseface {name}", *rest]
    return program.main()
