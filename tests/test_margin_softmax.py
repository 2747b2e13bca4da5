"""ArcFace and CosFace against naive twins, and training with them."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from sparseface_tf.networks import baseline_network
from sparseface_tf.supervision.margin_softmax import ArcFace, CosFace, CosineClassifier
from sparseface_tf.supervision.signals import identification_loss, signals, supervise, targets
from sparseface_tf.training.checkpoint import load_checkpoint, save_checkpoint

SIGNALS = {"arcface": ArcFace, "cosface": CosFace}


def naive(kind, margin, scale, identity, cosines):
    """The loss of one image, as the publications write it, in float64."""
    total = 0.0
    for other, cosine in enumerate(cosines):
        if other == identity:
            if kind == "cosface":
                cosine = cosine - margin
            elif math.acos(cosine) + margin < math.pi:
                cosine = math.cos(math.acos(cosine) + margin)
            else:
                cosine = cosine - margin * math.sin(margin)
            own = scale * cosine
        total += math.exp(scale * cosine - 64)
    return math.log(total) + 64 - own


@examples(60)
@given(
    kind=st.sampled_from(sorted(SIGNALS)),
    dtype=st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
    margin=st.floats(0, 1),
    scale=st.floats(1, 64),
    identities=st.integers(1, 7),
    column=st.booleans(),
    seed=st.integers(0, 999),
)
def test_losses_are_the_publications(kind, dtype, margin, scale, identities, column, seed):
    rng = np.random.default_rng(seed)
    # All of [-1, 1], so that angles that pass 180 degrees are among them.
    cosines = tf.cast(rng.uniform(-0.999, 0.999, (6, identities)), dtype)
    labels = rng.integers(0, identities, 6)
    loss = SIGNALS[kind](margin, scale, reduction=None)
    values = loss(labels[:, None] if column else labels, cosines)
    assert values.shape == (6,) and values.dtype == "float32"
    # What the loss is given, already rounded to the type.
    given_cosines = np.clip(tf.cast(cosines, "float64").numpy(), -1, 1)
    for value, label, row in zip(values.numpy(), labels, given_cosines):
        beyond = kind == "arcface" and abs(math.acos(row[label]) + margin - math.pi) < 1e-3
        if not beyond:  # just where the formula changes, rounding decides
            expected = naive(kind, margin, scale, label, row)
            assert value == pytest.approx(expected, rel=1e-4, abs=scale * 5e-4)


@pytest.mark.parametrize("kind", SIGNALS)
def test_gradient_is_the_slope(kind):
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.95, 0.95, (8, 5))
    # Both sides of 180 degrees.
    labels = np.array([0, 1, 2, 3, 4, 0, 1, 2])
    cosines[0, 0], cosines[1, 1] = -0.95, 0.95
    loss = SIGNALS[kind](0.5, 8.0, reduction="sum")
    x = tf.constant(cosines, "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(labels, x)
    gradient = tape.gradient(value, x).numpy()
    step = 1e-6
    for image in range(8):
        for identity in range(5):
            ends = []
            for sign in (1, -1):
                moved = cosines[image].copy()
                moved[identity] += sign * step
                ends.append(naive(kind, 0.5, 8.0, labels[image], moved))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert gradient[image, identity] == pytest.approx(slope, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("kind", SIGNALS)
@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0000001, -1.0000001, 0.9999999, 0.0])
def test_gradients_are_finite_at_the_ends(kind, cosine):
    x = tf.constant([[cosine, 1.0, -1.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = SIGNALS[kind]()(np.array([0]), x)
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, x).numpy()).all()


@pytest.mark.parametrize("kind", SIGNALS)
def test_training_signal_of_a_face_at_its_own_direction_is_finite(kind):
    """Through the classifier: features along a direction, against it, and none at all."""
    layer, loss = CosineClassifier(3), SIGNALS[kind]()
    layer.build((None, 4))
    layer.kernel.assign(np.eye(4, 3) * 2)
    features = tf.constant([[5.0, 0, 0, 0], [-5, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1e-6]])
    with tf.GradientTape() as tape:
        tape.watch(features)
        value = loss(np.zeros(4), layer(features))
    for gradient in tape.gradient(value, [features, layer.kernel.value]):
        assert np.isfinite(gradient.numpy()).all()
        assert np.abs(gradient).max() < 1e5


def test_margins_make_the_loss_larger_and_no_margin_is_a_softmax_of_cosines():
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.99, 0.99, (32, 6)).astype("float32")
    labels = rng.integers(0, 6, 32)
    softmax = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)
    plain = np.asarray(softmax(labels, 10 * cosines))
    for kind in SIGNALS.values():
        without = np.asarray(kind(0.0, 10.0, reduction=None)(labels, cosines))
        np.testing.assert_allclose(without, plain, rtol=1e-4, atol=1e-5)
        # The angle's margin too where it would pass 180 degrees.
        assert np.all(np.asarray(kind(0.4, 10.0, reduction=None)(labels, cosines)) > plain)


@examples(25)
@given(seed=st.integers(0, 999), scale=st.floats(0.01, 1000))
def test_classifier_gives_cosines(seed, scale):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(4, 6)).astype("float32")
    layer = CosineClassifier(3)
    layer.build((None, 6))
    layer.kernel.assign(rng.normal(size=(6, 3)))
    cosines = np.asarray(layer(scale * features))
    for image in range(4):
        for identity in range(3):
            direction = np.asarray(layer.kernel)[:, identity].astype(float)
            expected = np.dot(features[image], direction) / (
                np.linalg.norm(features[image].astype(float)) * np.linalg.norm(direction)
            )
            assert cosines[image, identity] == pytest.approx(expected, abs=1e-5)
    assert np.all(np.asarray(layer(np.zeros((1, 6)))) == 0)


@pytest.mark.parametrize("kind", SIGNALS)
def test_identities_are_equally_likely_at_first_and_move_towards_their_faces(kind):
    layer = CosineClassifier(4)
    layer.build((None, 16))
    features = np.random.default_rng(0).uniform(0, 1, (8, 16)).astype("float32")
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    before = np.asarray(layer(features))
    assert np.ptp(before, axis=1).max() < 1e-6
    with tf.GradientTape() as tape:
        value = SIGNALS[kind]()(labels, layer(features))
    layer.kernel.assign_sub(0.001 * tape.gradient(value, layer.kernel.value))
    change = np.asarray(layer(features)) - before
    assert np.all(np.argmax(change, axis=1) == labels)


def test_each_signal_starts_as_it_can():
    network = baseline_network((48, 48, 3), 0.25, study=True)
    for kind in SIGNALS:
        model = supervise(network, 40, branches=(), identification=kind)
        layer = model.get_layer("f_identity")
        kernel = np.asarray(layer.kernel)
        lengths = np.linalg.norm(kernel, axis=0)
        assert abs(lengths.mean() - 1) < 0.1
        together = (kernel / lengths).T @ (kernel / lengths)
        others = together[~np.eye(40, dtype=bool)]
        if kind == "cosface":
            np.testing.assert_allclose(others, 1, rtol=1e-5)
        else:
            assert abs(others.mean()) < 0.05 and others.max() < 0.6
        copy = CosineClassifier.from_config(layer.get_config())
        assert copy.identities == 40
        assert type(copy.kernel_initializer) is type(layer.kernel_initializer)


def test_in_mixed_precision_cosines_and_loss_are_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = baseline_network((48, 48, 3), 0.0625, study=True)
    model = supervise(network, 4, branches=("pool3",), identification="arcface")
    for name in ("f_identity", "pool3_identity"):
        assert model.get_layer(name).compute_dtype == "float32"
        assert model.get_layer(name).kernel.dtype == "float32"
        assert model.get_layer(name).output.dtype == "float32"


@pytest.mark.parametrize(
    "kind, margin, precision", [("cosface", 0.2, "mixed_bfloat16"), ("arcface", 0.1, "float32")]
)
def test_training_tells_identities_apart(kind, margin, precision):
    """A tiny network learns four pictures with noise, on f and on a branch."""
    keras.config.set_dtype_policy(precision)
    network = baseline_network((48, 48, 3), 0.0625, study=True, dropout=0.0)
    model = supervise(network, 4, branches=("pool4",), dropout=0.1, identification=kind)
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(4, 48, 48, 3))
    labels = np.arange(32) // 2 % 4
    images = (pictures[labels] + 0.3 * rng.normal(size=(32, 48, 48, 3))).astype("float32")
    settings = dict(verification_weight=0.001, identification=identification_loss(kind, margin, 16))
    model.compile(keras.optimizers.Adam(0.005), jit_compile=False, **signals(model, **settings))
    history = model.fit(
        *targets(model)(images, labels), batch_size=16, epochs=16, shuffle=False, verbose=0
    ).history
    assert np.isfinite(history["loss"]).all()
    for name in ("f_identity_loss", "pool4_identity_loss"):
        assert history[name][-1] < history[name][0] / 2, history
    assert history["f_identity_accuracy"][-1] > 0.9


def test_checkpoints_and_files_hold_the_directions(tmp_path):
    def build():
        keras.backend.clear_session()
        network = baseline_network((48, 48, 3), 0.0625, study=True)
        model = supervise(network, 4, branches=("pool3",), identification="cosface")
        model.compile(
            keras.optimizers.Adam(name="adam"),
            jit_compile=False,
            **signals(model, identification=CosFace(0.2, 16.0)),
        )
        model.optimizer.build(model.trainable_variables)
        return model

    rng = np.random.default_rng(0)
    images = rng.normal(size=(8, 48, 48, 3)).astype("float32")
    fit = dict(batch_size=8, epochs=2, shuffle=False, verbose=0)
    model = build()
    x, y = targets(model)(images, np.arange(8) // 2)
    model.fit(x, y, **fit)
    save_checkpoint(tmp_path / "checkpoint.npz", model, model.optimizer, step=2)
    model.save(tmp_path / "model.keras")
    model.fit(x, y, **fit)

    resumed = build()
    load_checkpoint(tmp_path / "checkpoint.npz", resumed, resumed.optimizer)
    resumed.fit(x, y, **fit)
    for name in ("f_identity", "pool3_identity"):
        ends = [np.asarray(m.get_layer(name).kernel) for m in (model, resumed)]
        assert np.ptp(ends[0], axis=1).max() > 1e-4
        np.testing.assert_allclose(*ends, rtol=1e-4, atol=1e-6)
    # Saved with its losses, which say their margins.
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name in ("f_identity", "pool3_identity"):
        assert loaded.loss[name].get_config()["margin"] == 0.2
        assert loaded.loss[name].scale == 16.0


def test_signals_by_name():
    assert identification_loss("arcface").get_config()["margin"] == 0.5
    assert identification_loss("cosface").get_config()["margin"] == 0.35
    assert identification_loss("cosface", 0.0, 10.0).margin == 0.0
    copy = ArcFace.from_config(ArcFace(0.3, 20.0).get_config())
    assert (copy.margin, copy.scale) == (0.3, 20.0)
    for arguments, message in [
        (("arcface", 2.0), r"ArcFace's margin must be in \[0, pi/2\) radians, got 2.0"),
        (("cosface", 2.0), r"CosFace's margin must be in \[0, 1\]"),
        (("cosface", None, -1.0), "scale of a margin softmax must be above 0"),
        (("sphereface",), "No identification signal 'sphereface'; choose from softmax, arcface"),
        (("softmax", 0.5), "softmax has none"),
    ]:
        with pytest.raises(ValueError, match=message) as error:
            identification_loss(*arguments)
        assert "\n" not in str(error.value)
