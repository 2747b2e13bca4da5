"""A SavedModel behind KServe's Python model server: python -m sparseface_tf.serving --model=PATH

Over HTTP it speaks V1, which is TensorFlow Serving's REST protocol, and V2, the Open Inference
Protocol; V2 over gRPC as well. The server is KServe's; here is what it asks of a model
(`model.py`), how requests become tensors (`tensors.py`), and what a server that strangers reach
needs besides (`server.py`).
"""
