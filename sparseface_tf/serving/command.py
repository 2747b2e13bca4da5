"""Serves a SavedModel by KServe's Python server: sparseface serve --model=PATH

KServe's own flags, such as --model_name, --http_port, --grpc_port and --ssl_certfile, hold as well.
"""

import argparse
import gc
import os
import sys

from pipelines.command_line import one_line_errors
from pipelines.quiet import import_tensorflow


def arguments():
    """The command line, by KServe's parser and its defaults."""
    parents = []
    if not {"-h", "--help"} & {*sys.argv[1:]}:
        # Of an extra that nothing else needs, and a second to import, which --help does without.
        from kserve import model_server  # noqa: PLC0415

        parents = [model_server.parser]
    parser = argparse.ArgumentParser(
        "python -m sparseface_tf.serving" if sys.argv[0].endswith(".py") else sys.argv[0],
        description="Serves a SavedModel that export.py wrote.",
        epilog="KServe's own flags hold as well; --helpfull shows them.",
        parents=parents,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--model", required=True, help="Folder of a SavedModel, or of a version.")
    parser.add_argument("--max_faces", type=int, default=64, help="Most faces of a request.")
    parser.add_argument(
        "--max_request_bytes",
        type=int,
        default=8 << 20,
        help="Most bytes of an HTTP request; gRPC has --grpc_max_receive_message_length.",
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="Requests computed at a time."
    )
    parser.add_argument("--helpfull", action="help", help="Shows KServe's flags, too.")
    parser.error = lambda message: sys.exit(f"error: {message}")
    given = parser.parse_args()
    for name in ("max_faces", "max_request_bytes", "threads"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} must be 1 or more, got {getattr(given, name)}.")
    if given.workers != 1:
        parser.error("--workers: this server is one process; start several.")
    return given


def main():
    with one_line_errors(ValueError, OSError, interrupted="the server has ended."):
        try:
            given = arguments()
            # They need the extra as well, and TensorFlow, which a wrong flag need not wait for.
            import_tensorflow()
            from sparseface_tf.serving.model import FaceModel  # noqa: PLC0415
            from sparseface_tf.serving.server import FaceServer  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ValueError(
                f"Serving needs the package {error.name}: pip install 'sparseface_tf[serve]'."
            ) from None
        model = FaceModel(given.model_name, given.model, given.max_faces, given.threads)
        # What is loaded stays. Looking for garbage among it, as requests in JSON make Python do, would
        # take a third of a second each time.
        gc.freeze()
        FaceServer(given.max_request_bytes).start([model])
