"""What is not ready for several replicas says so, on two real ones."""

import json
import subprocess
import sys

CODE = """
import json
import keras, numpy as np, tensorflow as tf
from sparseface_tf.criteria import criterion
from sparseface_tf.layers import MaskedDense
from sparseface_tf.matching.verification import embed
from sparseface_tf.sparsify import layer_correlations
from sparseface_tf.supervision import supervise
from sparseface_tf.training.callbacks import MarginCallback

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.ones((8, 4), "float32")

def network():
    image = keras.Input((4,))
    feature = MaskedDense(3, name="f")(image)
    return keras.Model(image, keras.layers.Activation("linear", name="feature")(feature))

def margin():
    model = network()
    model.compile("sgd", "mse")
    batches = lambda step: [(images, np.arange(8) // 2)]
    model.fit(images, images[:, :3], verbose=0, callbacks=[MarginCallback(batches, 1)])

works = {
    "embed": lambda: embed(network(), [images]),
    "centres": lambda: supervise(network(), 2, branches=(), centre_rate=0.5),
    "margin": margin,
    "correlations": lambda: layer_correlations(network(), "f", images),
    "wanda": lambda: criterion("wanda").scores(network(), "f", [images]),
}
said = {}
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    for name, work in works.items():
        try:
            work()
        except ValueError as error:
            said[name] = str(error)
print(json.dumps(said))
"""


def test_two_replicas_are_refused_in_one_line():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    assert set(said) == {"embed", "centres", "margin", "correlations", "wanda"}
    for message in said.values():
        assert message.endswith("works on one replica only, and the strategy has 2."), message
