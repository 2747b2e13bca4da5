"""Networks that are exported to TFLite compute what they computed, sparse and small."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from published import lfw_set, pictures
from sparse_networks import mask, small_network

from pipelines.faces.regions import read_regions
from sparseface_tf.embedding import litert
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.export import parity
from sparseface_tf.export.network import in_float32
from sparseface_tf.export.settings import PROCESSORS, Export
from sparseface_tf.export.tflite import build, exporter, forms, lowering
from sparseface_tf.layers import MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.networks.mobilefacenet import mobilefacenet
from sparseface_tf.tflite.flatbuffer import File
from sparseface_tf.tflite.inspection import sparse_weights


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Path of a small network's model.keras."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    small_network().save(path)
    return path


def export(model, output, **changes):
    """Runs an export in this process; returns what it wrote."""
    values = dict(parity_images=6, calibration_images=6, compare=False, seconds=0.01)
    settings = Export(model=str(model), output=str(output), **(values | changes))
    one = exporter.TFLiteExporter(settings)
    one.prepare()
    return one.run()


# === Lowering ===


@examples(20)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    channels=st.integers(1, 6),
    filters=st.integers(1, 5),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.sampled_from(["valid", "same"]),
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    block=st.sampled_from([1, 4]),
)
def test_the_matrix_of_a_locally_connected_layer(
    seed, size, channels, filters, window, strides, padding, density, block
):
    generator = np.random.default_rng(seed)
    image = keras.Input((*size, channels))
    layer = MaskedLocallyConnected2D(filters, window, strides, padding)
    model = keras.Model(image, layer(image))
    layer.assign_mask(mask(generator, layer.kernel.shape, density, block))
    x = generator.standard_normal((2, *size, channels)).astype(np.float32)
    expected = model(x).numpy().reshape(2, -1)
    (matrix,) = lowering.matrices(layer, "layer")
    assert matrix.shape[1] % 4 == 0 and matrix.nnz <= np.count_nonzero(layer.mask)
    padded = np.pad(x.reshape(2, -1), [(0, 0), (0, matrix.shape[1] - x[0].size)])
    np.testing.assert_allclose(padded @ matrix.toarray().T, expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def layers():
    """A dense and a locally connected layer, with few whole blocks of weights."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    found = []
    for shape, layer in (
        ((6,), MaskedDense(5, activation="relu")),  # 6 inputs: not a multiple of a block
        ((5, 4, 3), MaskedLocallyConnected2D(3, (3, 2), (2, 1), "same", activation="relu")),
    ):
        layer(keras.Input(shape))
        layer.assign_mask(mask(generator, layer.kernel.shape, 0.5, 4))
        layer.bias.assign(generator.standard_normal(layer.bias.shape))
        found.append(layer)
    return found


@pytest.mark.parametrize(
    "which, lowered, storage",
    [
        (0, "layer", "blocks"),
        (0, "layer", "csr"),
        (0, "layer", "dense"),
        (1, "layer", "blocks"),
        (1, "layer", "csr"),
        (1, "positions", "blocks"),
        (1, "positions", "csr"),
        (1, "positions", "dense"),
        (1, "batched", "dense"),
    ],
)
def test_litert_computes_every_form(layers, which, lowered, storage):
    layer = layers[which]
    content = build.alone(layer, forms.Form(lowered, storage, 0, 0.0))
    assert bool(sparse_weights(File(content))) == (storage != "dense")
    x = np.random.default_rng(1).standard_normal((3, *layer.input.shape[1:])).astype(np.float32)
    network = litert.LiteRTNetwork(content)
    expected = layer(x).numpy()
    np.testing.assert_allclose(
        network.predict_on_batch(x).reshape(expected.shape), expected, rtol=1e-4, atol=1e-5
    )


def test_forms_follow_the_density_of_blocks():
    def form(density, block):
        layer = MaskedDense(64)
        layer(keras.Input((256,)))
        layer.assign_mask(mask(np.random.default_rng(0), (256, 64), density, block))
        return forms.choose(forms.possible_forms(layer)[0]).storage

    assert form(1 / 16, 4) == "blocks"
    assert form(1 / 64, 1) == "csr"  # a block would hold one weight and three zeros
    assert form(0.8, 4) == "dense"
    assert form(0.5, 1) == "dense"


@pytest.mark.parametrize("target, storage", [("arm", "blocks"), ("x86", "dense")])
def test_forms_follow_the_target(target, storage):
    # With AVX-512 a dense product takes 16 weights at once, on ARM 4, as the sparse one on both.
    layer = MaskedDense(64)
    layer(keras.Input((256,)))
    layer.assign_mask(mask(np.random.default_rng(0), (256, 64), 0.4, 4))
    (choice,) = build.choose_forms(layer_alone(layer), target=target).values()
    assert choice.form.storage == storage and f"estimated for {target} " in choice.reason


def layer_alone(layer):
    """A network of one layer."""
    image = keras.Input(layer.input.shape[1:])
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    "changes, rule",
    [
        ({}, "estimates for ARM"),
        ({"target": "x86"}, "estimates for x86"),
        ({"forms": "measured"}, "times measured on this machine"),
    ],
)
def test_the_report_says_what_chose_the_forms(changes, rule):
    one = exporter.TFLiteExporter(Export(model="m", output="o", **changes))
    assert one.rule().startswith(rule)
    assert [*forms.TARGETS] == [*PROCESSORS]
    with pytest.raises(ValueError, match="--target is for --forms=estimated"):
        Export(model="m", output="o", forms="measured", target="x86").check()


def test_layers_without_weights_or_without_zeros_are_dense():
    for kept in (0, 1):
        layer = MaskedLocallyConnected2D(3, 2)
        layer(keras.Input((4, 4, 4)))
        layer.assign_mask(np.full(layer.kernel.shape, kept))
        assert {form.storage for form in forms.possible_forms(layer)[0]} == {"dense"}
    # One position without weights: nothing that a sparse product of it could store.
    some = np.ones(layer.kernel.shape)
    some[1, 1] = some[..., 2:] = 0
    layer.assign_mask(some)
    found = {(f.lowering, f.storage) for f in forms.possible_forms(layer)[0]}
    assert ("layer", "csr") in found and ("positions", "csr") not in found


def test_sizes_are_foretold(layers):
    for layer in layers:
        for form in forms.possible_forms(layer)[0]:
            file = File(build.alone(layer, form))
            stored = sum(encoded.size for encoded in sparse_weights(file).values())
            assert stored == (form.size if form.storage != "dense" else 0)


def test_in_float32(saved):
    model = keras.saving.load_model(saved)
    keras.config.set_dtype_policy("mixed_bfloat16")
    half = keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config(
            {**layer.get_config(), "dtype": "mixed_bfloat16"}
        )
    )
    half.set_weights(model.get_weights())
    x = np.random.default_rng(0).standard_normal((2, 28, 24, 3)).astype(np.float32)
    assert np.abs(half.predict(x, verbose=0).astype(np.float32) - model(x)).max() > 1e-4
    np.testing.assert_allclose(in_float32(half)(x), model(x), rtol=1e-5, atol=1e-5)


# === Export ===


@pytest.mark.parametrize("quantization", ["none", "float16", "dynamic", "int8"])
def test_export(saved, tmp_path, quantization):
    export(saved, tmp_path, quantization=quantization, min_cosine=0.9)
    file = File((tmp_path / "model.tflite").read_bytes())
    network = keras.saving.load_model(saved)
    kept = {name: np.count_nonzero(network.get_layer(name).mask) for name in ("1b", "5a", "f-1")}
    found = sparse_weights(file)
    stored = {
        name: sum(
            np.count_nonzero(encoded.values)
            for tensor, encoded in found.items()
            if tensor.startswith(lowering.weights_name(name, ""))
        )
        for name in kept
    }
    if quantization == "dynamic":  # XNNPACK expands no weights for it
        assert stored.pop("1b") == 0
    if quantization == "int8":  # small weights become zeros
        assert 0.9 * kept["1b"] < stored.pop("1b") <= kept["1b"]
    assert stored == {name: kept[name] for name in stored}
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["facts"]["forms of layers chosen by"].endswith("(--target=arm)")
    assert {x["name"]: x["kept"] for x in report["layers"] if x["name"] in kept} == kept
    assert report["files"][0]["size"] == (tmp_path / "model.tflite").stat().st_size
    assert report["files"][0]["parity"]["cosine"] > (0.99 if quantization == "int8" else 0.999)
    assert sum(report["bytes"].values()) == report["files"][0]["size"]
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert f"quantization: {quantization}" in card and "One signature for [LiteRT]" in card
    assert "FULLY_CONNECTED, one, 1x4 blocks" in (tmp_path / "report.md").read_text()

    # The file names its region, and embeds like the network.
    embedder = open_embedder(tmp_path)
    assert embedder.region == read_regions()["face"].scaled(24)
    assert embedder.key != open_embedder(saved).key
    x = np.random.default_rng(0).uniform(-1, 1, (3, 28, 24, 3)).astype(np.float32)
    features = embedder.network.predict_on_batch(x)
    assert parity.compare(network.predict_on_batch(x), features).cosine > 0.99


def test_pixels(saved, tmp_path):
    export(saved, tmp_path, input="uint8")
    network = open_embedder(tmp_path).network
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 24, 3)).astype(np.uint8)
    normalised = ((pixels - 127.5) / 128).astype(np.float32)
    expected = keras.saving.load_model(saved).predict_on_batch(normalised)
    for images in (pixels, normalised):
        np.testing.assert_allclose(
            network.predict_on_batch(images), expected, rtol=1e-3, atol=1e-4
        )


def test_what_does_not_compute_the_same_leaves_no_file(saved, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="Nothing is written, .* --min_cosine is 1."):
        export(saved, tmp_path, quantization="dynamic", min_cosine=1.0)
    assert not [*tmp_path.iterdir()]

    def misplaced(matrix, block=1, shape=None):
        matrix = matrix.copy()
        matrix.data = matrix.data[::-1].copy()
        return encode(matrix, block, shape)

    encode = build.encode
    monkeypatch.setattr(build, "encode", misplaced)
    with pytest.raises(ValueError, match="Nothing is written, .*cosine 0"):
        export(saved, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_crash_is_a_failure_of_one_line(saved, tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text("import os\nos.kill(os.getpid(), 11)\n")
    monkeypatch.setattr(litert, "WORKER", str(tmp_path / "crashing.py"))
    with pytest.raises(ValueError, match=r"^Nothing is written, .* LiteRT crashed .*SIGSEGV\)\.$"):
        export(saved, tmp_path / "out")
    assert not [*(tmp_path / "out").iterdir()]


def test_a_file_that_litert_refuses():
    with pytest.raises(ValueError, match="^LiteRT failed on the file: "):
        litert.run_in_child(b"\x20\0\0\0TFL3 and nothing more", np.zeros((1, 2, 2, 3), np.float32))


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(model=""), "No network: give --model"),
        (dict(output=""), "give --output=saved_models/NAME"),
        (dict(quantization="int4"), "--quantization=int4: choose from none, float16, dynamic, int8"),
        (dict(format="onnx"), "--format=onnx: choose from tflite, saved_model"),
        (dict(input="int8"), "--input=int8: choose from float32, uint8"),
        (dict(parity_images=0), "--parity_images must be 1 or more"),
        (dict(min_cosine=2.0), "--min_cosine is a cosine"),
        (dict(parity_data="/nowhere"), "No folder /nowhere"),
        (dict(region="left_eye_wide_grey"), "takes images of 28 x 24 x 3"),
    ],
)
def test_bad_settings(saved, tmp_path, changes, message):
    with pytest.raises((ValueError, OSError), match=message):
        export(**(dict(model=saved, output=tmp_path) | changes))


def test_features_are_compared():
    a = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]])
    b = np.array([[6.0, 8.0], [0.0, 0.0], [0.0, 2.0]])
    found = parity.compare(a, b)
    assert (found.images, found.worst_cosine, found.largest_error) == (3, 0.0, 4.0)
    assert found.cosine == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="not finite for 1 images"):
        parity.compare(a, np.where(b == 2, np.nan, b))


def test_mobilefacenet():
    # 0.99 million in the publication, and the moving averages of the normalisations.
    model = mobilefacenet()
    assert model.output_shape == (None, 128)
    assert 0.97e6 < model.count_params() < 1.03e6


def dense_and_dynamic():
    """What the stock converter makes of sparse weights and dynamic ranges: it computes nonsense."""
    layer = keras.layers.Dense(32, use_bias=False)
    model = keras.Sequential([keras.Input((64,)), layer])
    kept = mask(np.random.default_rng(0), (64, 32), 0.1, 16)
    layer.kernel.assign(np.where(kept, layer.kernel, 0))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    optimize = tf.lite.Optimize
    converter.optimizations = [optimize.EXPERIMENTAL_SPARSITY, optimize.DEFAULT]
    return converter.convert()


# === The programs ===


def test_export_and_evaluate_from_the_command_line(forks, saved, tmp_path):
    lfw_set(tmp_path / "lfw", pictures(8, 4))
    code, output, errors = forks(
        "export.py",
        f"--model={saved}",
        "--quantization=dynamic",
        f"--output={tmp_path}/small",
        f"--parity_data={tmp_path}/lfw",
        "--parity_images=6",
        "--nocompare",
        "--seconds=0.01",
    )
    assert code == 0, errors
    assert "## Layers" in output and "Parity with the network: cosine " in errors
    code, output, errors = forks(
        "evaluate.py",
        f"--model=network={saved}",
        f"--model=exported={tmp_path}/small/model.tflite",
        f"--data={tmp_path}/lfw",
        f"--cache={tmp_path}/cache",
        f"--output={tmp_path}/report",
    )
    assert code == 0, errors
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    areas = [run["result"]["auc"] for run in report["protocols"]["lfw"]["runs"]]
    assert len(areas) == 2 and areas[1] == pytest.approx(areas[0], abs=0.02)


def test_broken_files_are_refused(tmp_path):
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"\x20\0\0\0TFL3 and nothing more")
    with pytest.raises(ValueError, match="broken.tflite is not a TFLite file to use: "):
        open_embedder(path)
    path.write_bytes(dense_and_dynamic())
    with pytest.raises(ValueError, match="broken.tflite is not a TFLite file to use: the sparse"):
        open_embedder(path)


def test_an_exported_file_is_not_exported_again(saved, tmp_path):
    export(saved, tmp_path / "once")
    with pytest.raises(ValueError, match="model.tflite is exported already"):
        export(tmp_path / "once", tmp_path / "twice")
