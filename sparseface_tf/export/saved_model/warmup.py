"""Warm-up requests: what TensorFlow Serving runs before it takes a model for ready.

They lie in assets.extra/tf_serving_warmup_requests, a TFRecord file of PredictionLog messages,
which the package tensorflow-serving-api has.
"""

import os

import tensorflow as tf

from sparseface_tf.embedding.versions import EXTRA

REQUESTS = os.path.join(EXTRA, "tf_serving_warmup_requests")


def check():
    """Raises ValueError if requests cannot be written."""
    try:
        _messages()
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Warm-up requests need the package {error.name}: pip install 'sparseface_tf[serve]', "
            "or give --warmup=0."
        ) from None


def write_requests(path, name, requests):
    """Writes requests.

    Args:
        path: the SavedModel.
        name: of the model, as a server calls it.
        requests: list of pairs of a signature and its inputs, a dict from name to an array with an
            axis of faces.
    """
    log = _messages()
    with tf.io.TFRecordWriter(os.path.join(path, REQUESTS)) as writer:
        for signature, inputs in requests:
            message = log.PredictionLog()
            request = message.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            writer.write(message.SerializeToString())


def read_requests(path):
    """What `write_requests` wrote: list of pairs of a signature and its inputs."""
    log = _messages()
    found = []
    for record in tf.data.TFRecordDataset(os.path.join(path, REQUESTS)).as_numpy_iterator():
        request = log.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        found.append((request.model_spec.signature_name, inputs))
    return found


def _messages():
    # Of an extra, and of no use to who writes none.
    from tensorflow_serving.apis import prediction_log_pb2  # noqa: PLC0415

    return prediction_log_pb2
