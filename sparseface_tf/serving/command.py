"""Serves a SavedModel by KServe's Python server: sparseface serve --model=PATH

KServe's own flags, such as --model_name, --http_port, --grpc_port and --ssl_certfile, hold as well.
"""

import argparse
import gc
import math
import os
import sys
import warnings

from pipelines.command_line import one_line_errors

# Name, type, default, least value and help of the flags that are not KServe's.
_LIMITS = (
    ("max_faces", int, 64, 1, "Most faces of a request."),
    ("max_pixels", int, 1 << 26, 1, "Most pixels of a request's images together."),
    (
        "max_request_bytes",
        int,
        8 << 20,
        1,
        "Most bytes of an HTTP request; gRPC has --grpc_max_receive_message_length.",
    ),
    ("threads", int, os.cpu_count(), 1, "Requests computed at a time."),
    ("queue", int, 64, 0, "Requests that may wait besides; more are told to try again (503)."),
    ("deadline", float, 30.0, 0.01, "Seconds from a request's first byte to its answer."),
)


def arguments(model: str = "") -> argparse.Namespace:
    """The command line, by KServe's parser and its defaults.

    Args:
        model: the SavedModel that is served if none is given; "" if one must be.
    """
    # Of an extra that nothing else needs.
    from kserve import model_server  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        "python -m sparseface_tf.serving" if sys.argv[0].endswith(".py") else sys.argv[0],
        description="Serves a SavedModel that export.py wrote.",
        parents=[model_server.parser],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(model_name="face")
    parser.add_argument(
        "--model",
        required=not model,
        default=model or None,
        help="Folder of a SavedModel, or of a version.",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="Address to listen on, HTTP and gRPC; 0.0.0.0 for all. There is no password.",
    )
    for name, kind, default, least, text in _LIMITS:
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)
    parser.error = lambda message: sys.exit(f"error: {message}")
    given = parser.parse_args()
    for name, _, _, least, _ in _LIMITS:
        value = getattr(given, name)
        if not (least <= value and math.isfinite(value)):
            parser.error(f"--{name} must be {least} or more, got {value}.")
    if given.workers != 1:
        parser.error("--workers: this server is one process; start several.")
    return given


def main(model: str = "") -> None:
    """Runs the command line.

    Args:
        model: see `arguments`.
    """
    # Before TensorFlow is imported, which says on every start what it found on the machine.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # KServe's choice, about which its users can do nothing.
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")
    with one_line_errors(ValueError, OSError, interrupted="the server has ended."):
        try:
            given = arguments(model)
            # They need the extra as well, and TensorFlow, which a wrong flag need not wait for.
            from sparseface_tf.serving.model import FaceModel  # noqa: PLC0415
            from sparseface_tf.serving.server import FaceServer  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ValueError(
                f"Serving needs the package {error.name}: pip install 'sparseface_tf[serve]'."
            ) from None
        served = FaceModel(
            given.model_name, given.model, given.max_faces, given.threads, given.max_pixels
        )
        # What is loaded stays. Looking for garbage among it, as requests in JSON make Python do, would
        # take a third of a second each time.
        gc.freeze()
        FaceServer(
            given.max_request_bytes,
            host=given.host,
            running=given.threads,
            waiting=given.queue,
            deadline=given.deadline,
            max_message_bytes=(
                given.grpc_max_receive_message_length,
                given.grpc_max_send_message_length,
            ),
            http_port=given.http_port,
            grpc_port=given.grpc_port,
        ).start([served])
