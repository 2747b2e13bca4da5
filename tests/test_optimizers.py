"""Weight decay of a stage's optimizer against loops that write it out, on kernels and on nothing else."""

import keras
import numpy as np
import pytest

from sparseface_tf.channels import at_widths
from sparseface_tf.criteria import criterion
from sparseface_tf.training.optimizers import stage_optimizer


def small_model():
    """Every kind of weight: kernels of a convolution and of a depthwise one, biases, scales, slopes."""
    keras.utils.set_random_seed(1)
    image = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(3, 2, name="conv")(image)
    x = keras.layers.DepthwiseConv2D(2, name="depthwise")(x)
    x = keras.layers.BatchNormalization(name="normalization")(x)
    x = keras.layers.PReLU(shared_axes=(1, 2), name="slopes")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(2, name="f")(x))


def train(model, kind, steps, weight_decay=0.1, rate=0.01):
    """Trains on a loss whose gradient is zero."""
    model.compile(
        stage_optimizer(kind, rate, model, weight_decay=weight_decay),
        loss=lambda y_true, y_pred: 0.0 * keras.ops.sum(y_pred),
        jit_compile=False,
    )
    images, none = np.zeros((steps, 4, 4, 2), "float32"), np.zeros((steps, 2), "float32")
    model.fit(images, none, batch_size=1, verbose=0)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_only_kernels_decay(kind):
    model = small_model()
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    train(model, kind, 5)
    decayed = {v.path for v in model.trainable_variables if not np.allclose(v, 1)}
    assert decayed == {"conv/kernel", "depthwise/kernel", "f/kernel"}


def test_decay_of_sgd_is_caffes():
    model = small_model()
    weight, velocity = 1.0, 0.0
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    train(model, "sgd", 1000, weight_decay=5e-4)
    for _ in range(1000):
        velocity = 0.9 * velocity + 0.01 * 5e-4 * weight  # Caffe: V ← μ V + α ∇, W ← W - V
        weight -= velocity
    assert weight == pytest.approx(0.95164, abs=1e-5)
    np.testing.assert_allclose(model.get_layer("f").kernel, weight, rtol=1e-5)


def test_decay_of_adamw_is_decoupled():
    model = small_model()
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    train(model, "adamw", 7, weight_decay=0.1)
    np.testing.assert_allclose(model.get_layer("f").kernel, (1 - 0.01 * 0.1) ** 7, rtol=1e-5)


def test_decay_counts_once_at_several_widths():
    image = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(4, 2, name="conv")(image)
    x = keras.layers.BatchNormalization(trainable=False, name="conv_normalization")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(4, name="f")(x))
    several = at_widths(model, [1.0, 0.5])
    stage_optimizer("sgd", 0.1, several, weight_decay=0.2)
    squares = sum(float(np.square(v).sum()) for v in (model.get_layer(n).kernel for n in ("conv", "f")))
    assert float(sum(several.losses)) == pytest.approx(0.1 * squares, rel=1e-5)


def test_no_decay_leaves_the_loss_alone():
    model = small_model()
    stage_optimizer("sgd", 0.1, model, weight_decay=0.2)
    assert model.losses
    stage_optimizer("sgd", 0.1, model, weight_decay=0.0)
    assert not model.losses


def test_taylor_is_of_the_data_alone():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="f")])
    images, targets = np.eye(3, dtype="float32"), np.ones((3, 2), "float32")
    found = []
    for decay in (0.0, 0.5):
        model.compile(stage_optimizer("sgd", 0.1, model, weight_decay=decay), "mse", jit_compile=False)
        found.append(criterion("taylor").scores(model, "f", [(images, targets)]))
        assert bool(model.losses) == bool(decay)
    np.testing.assert_array_equal(*found)
