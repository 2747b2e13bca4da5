"""A SavedModel behind KServe's Python model server: python -m sparseface_tf.serving --model=PATH

Over HTTP it speaks V1, which is TensorFlow Serving's REST protocol, and V2, the Open Inference
Protocol; V2 over gRPC as well. The server is KServe's. Here is what it asks of a model (`model.py`),
how requests are read (`dataplane.py`) and become tensors (`tensors.py`), which are let in and for how
long (`admission.py`, over HTTP `http.py`, over gRPC `rpc.py`), and what holds it together
(`server.py`).

```python
model = FaceModel("face", "saved_models/joined_75")
FaceServer(max_request_bytes=1 << 20).start([model])
```
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparseface_tf.serving.model import FaceModel
    from sparseface_tf.serving.server import FaceServer

__all__ = ["FaceModel", "FaceServer"]


def __getattr__(name: str) -> Any:
    # When they are asked for: KServe is of an extra, and takes seconds to import.
    if name == "FaceModel":
        from sparseface_tf.serving.model import FaceModel  # noqa: PLC0415

        return FaceModel
    if name == "FaceServer":
        from sparseface_tf.serving.server import FaceServer  # noqa: PLC0415

        return FaceServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
