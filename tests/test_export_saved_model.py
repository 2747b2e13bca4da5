"""Networks that are exported as SavedModels: signatures, versions, masks, hostile images."""

import json
import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from mutations import bombs, encoded, files, mutated
from PIL import Image
from sparse_networks import calibrated, small_network

from pipelines.batches.batches import network_input
from pipelines.detection.face import Face
from pipelines.faces.regions import read_regions
from pipelines.sources.boxed_faces import BoxedFace, BoxedFaces
from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.embedding import saved_model
from sparseface_tf.embedding.embedder import find_model, open_embedder
from sparseface_tf.export import open_exporter
from sparseface_tf.export.card import training_facts
from sparseface_tf.export.network import in_float32
from sparseface_tf.export.saved_model import signatures, warmup
from sparseface_tf.export.saved_model.exporter import SavedModelExporter
from sparseface_tf.export.settings import Export
from sparseface_tf.recognition import photos

RENDERED = SyntheticFaces(identities=3, images_per_identity=2, size=120)
# What lies beside a graph.
BESIDE = shutil.ignore_patterns(saved_model.EXTRA, saved_model.METADATA)
REGION = read_regions()["face"].scaled(24)


def has_warmup():
    try:
        warmup.check()
    except ValueError:
        return False
    return True


def exporter(model, output, **changes):
    """An export that is ready to run."""
    values = dict(format="saved_model", parity_images=6, warmup=3 if has_warmup() else 0) | changes
    one = open_exporter(Export(model=str(model), output=str(output), **values))
    one.prepare()
    return one


class World:
    """A network, its scorer, and what was exported of it."""

    def __init__(self, root):
        keras.utils.set_random_seed(0)
        self.root = root
        self.scoring = calibrated(root)
        self.exporter = exporter(root, root / "face")
        self.path = self.exporter.run()
        self.network = open_embedder(root / "model.keras").network
        self.model = tf.saved_model.load(self.path)

    def __call__(self, signature, **inputs):
        outputs = self.model.signatures[signature](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        return {name: value.numpy() for name, value in outputs.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


def crops(count, seed=0):
    images = np.random.default_rng(seed).uniform(-1, 1, (count, 28, 24, 3))
    return images.astype(np.float32)


def rendered(count, kind="JPEG"):
    """Files of rendered faces and their landmarks."""
    loaded = [RENDERED.load(tf.constant(i)) for i in range(count)]
    contents = [encoded(Image.fromarray(image.numpy()), kind) for image, _ in loaded]
    return contents, np.stack([landmarks.numpy() for _, landmarks in loaded])


# === The graph ===


def test_no_mask_is_left(world):
    saved = tf.train.load_checkpoint(f"{world.path}/variables/variables")
    kept = {name: saved.get_tensor(name) for name, _ in tf.train.list_variables(
        f"{world.path}/variables/variables") if name.startswith("weights/")}  # fmt: skip
    # All that the network computes with, and no more.
    weights = [
        variable.numpy()
        for variable in world.network.weights
        if "mask" not in variable.name and "seed" not in variable.name
    ]
    assert sorted(x.shape for x in kept.values()) == sorted(x.shape for x in weights)
    assert {x.dtype for x in kept.values()} == {np.dtype("float32")}
    assert sum(np.count_nonzero(x) for x in kept.values()) == sum(map(np.count_nonzero, weights))
    graph = saved_model.read_graph(world.path)
    functions = [function.node_def for function in graph.graph_def.library.function]
    nodes = [node for part in (graph.graph_def.node, *functions) for node in part]
    assert not [node.name for node in nodes if "mask" in node.name or "Random" in node.op]
    assert "BatchMatMulV2" in {node.op for node in nodes}


def test_a_mask_in_the_graph_is_found(tmp_path):
    layer = small_network().get_layer("f-1")
    module = tf.Module()
    module.weights = [layer.kernel.value, layer.mask.value]

    @tf.function(input_signature=[tf.TensorSpec((None, 144), tf.float32)])
    def call(x):
        return x @ (module.weights[0] * tf.cast(module.weights[1], tf.float32))

    tf.saved_model.save(module, str(tmp_path), signatures=call.get_concrete_function())
    with pytest.raises(ValueError, match="of type bool: it is no weight"):
        saved_model.check_without_masks(tmp_path, saved_model.read_graph(tmp_path))


def test_signatures_are_named_and_take_any_number_of_faces(world):
    found = {
        name: saved_model_specs(function) for name, function in world.model.signatures.items()
    }
    image, scores = [None, 28, 24, 3], {"score": [None], "probability": [None]}
    assert found == {
        "serving_default": ({"image": image}, {"embedding": [None, 16]}),
        "embed_jpeg": ({"image": [None], "landmarks": [None, 5, 2]}, {"embedding": [None, 16]}),
        "embed_jpeg_box": ({"image": [None], "box": [None, 4]}, {"embedding": [None, 16]}),
        "verify": ({"image_a": image, "image_b": image}, scores),
        "score": ({"embedding_a": [None, 16], "embedding_b": [None, 16]}, scores),
    }


def saved_model_specs(function):
    specs = function.structured_input_signature[1], function.structured_outputs
    return tuple({name: x.shape.as_list() for name, x in part.items()} for part in specs)


def test_serving_default_is_the_network(world):
    for count in (1, 3):
        expected = world.network.predict_on_batch(crops(count))
        found = world("serving_default", image=crops(count))["embedding"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP"])
def test_embed_jpeg_is_what_recognition_does(world, kind):
    contents, landmarks = rendered(2, kind)
    embedder = open_embedder(world.root / "model.keras")
    expected = []
    for content, points in zip(contents, landmarks):
        path = world.root / "photo"
        path.write_bytes(content)
        face = Face(np.zeros(4), 1.0, points)
        expected += [photos.embed_faces(embedder, photos.open_photo(path).image, [face])[0]]
    found = world("embed_jpeg", image=contents, landmarks=landmarks)["embedding"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_embed_jpeg_box_is_what_boxed_faces_are(world, tmp_path):
    content = encoded(Image.fromarray(RENDERED.load(tf.constant(0))[0].numpy()), "PNG")
    (tmp_path / "a.png").write_bytes(content)
    # Within the picture, across its border, and half a pixel away from whole ones.
    boxes = [(30, 25, 60, 70), (-20, 40, 70.5, 60), (60.5, 61.25, 80, 70)]
    faces = BoxedFaces(tmp_path, [BoxedFace(f"{i}", "a.png", box) for i, box in enumerate(boxes)])
    embed, expected = world.network.predict_on_batch, 0
    for mirrored in (False, True):
        seen = [network_input(*faces.load(i), REGION, mirrored=mirrored) for i in range(3)]
        expected = expected + embed(np.stack(seen)) / 2
    found = world("embed_jpeg_box", image=[content] * 3, box=np.float32(boxes))["embedding"]
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02 * np.abs(expected).max())


def test_scores_are_those_of_joint_bayesian(world):
    a, b = crops(4, seed=1), crops(4, seed=2)
    embed = world.network.predict_on_batch
    features = [(embed(x) + embed(x[:, :, ::-1])) / 2 for x in (a, b)]
    expected = world.scoring.scorer.score_pairs(*features)
    for found in (
        world("verify", image_a=a, image_b=b),
        world("score", embedding_a=features[0], embedding_b=features[1]),
    ):
        np.testing.assert_allclose(found["score"], expected, rtol=1e-3, atol=1e-3)
        probability = world.scoring.calibration.probability(expected)
        np.testing.assert_allclose(found["probability"], probability, atol=1e-3)


def test_without_a_calibration_scores_are_cosines(world, tmp_path):
    network = in_float32(world.network)
    # Of a region that is not symmetric a mirrored crop is none of the mirrored face.
    region = read_regions()["face"].scaled(24)
    region = type(region)(**{**region.__dict__, "landmarks": ("left_eye",)})
    assert not signatures.symmetric(region) and signatures.symmetric(REGION)
    signatures.write_saved_model(tmp_path / "1", network, region)
    model = tf.saved_model.load(str(tmp_path / "1"))
    a, b = crops(3, seed=1), crops(3, seed=2)
    found = model.signatures["verify"](image_a=tf.constant(a), image_b=tf.constant(b))
    a, b = network.predict_on_batch(a), network.predict_on_batch(b)
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert [*found] == ["score"]
    np.testing.assert_allclose(found["score"], cosines, rtol=1e-5)


# === Hostile requests ===


def refused(world, signature, match, **inputs):
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        world(signature, **inputs)


def test_one_bad_image_is_an_error_of_the_request(world):
    contents, landmarks = rendered(3)
    for broken in (contents[1][:200], b"no image", b""):
        contents[1] = broken
        refused(world, "embed_jpeg", None, image=contents, landmarks=landmarks)
    contents, _ = rendered(3)
    assert world("embed_jpeg", image=contents, landmarks=landmarks)["embedding"].shape == (3, 16)


def test_landmarks_and_boxes_that_cannot_be(world):
    (content,), landmarks = rendered(1)
    for bad in (
        np.full((1, 5, 2), np.nan),
        np.where(np.arange(10).reshape(1, 5, 2) == 3, np.nan, landmarks),
        np.where(np.arange(10).reshape(1, 5, 2) == 3, np.inf, landmarks),
        np.full((1, 5, 2), 50.0),
        landmarks + 500,
        landmarks * 1e30,
    ):
        bad = bad.astype(np.float32)
        refused(world, "embed_jpeg", "landmarks that are", image=[content], landmarks=bad)
    for bad in (
        (np.nan, 0, 50, 50),
        (0, 0, np.inf, 50),
        (0, 0, 0, 50),
        (0, 0, -10, -10),
        (500, 0, 50, 50),
        (-60, 0, 50, 50),
        (-1e9, -1e9, 2e9, 2e9),
        (0, 0, 5000, 5000),
    ):
        box = np.float32([bad])
        refused(world, "embed_jpeg_box", "a box (that|of)", image=[content], box=box)


def test_inputs_of_different_lengths(world):
    contents, landmarks = rendered(2)
    different = "different numbers of faces"
    refused(world, "embed_jpeg", different, image=contents[:1], landmarks=landmarks)
    refused(world, "verify", different, image_a=crops(2), image_b=crops(3))
    one = np.ones((1, 16), np.float32)
    refused(world, "score", different, embedding_a=one, embedding_b=np.concatenate([one, one]))


def test_hostile_files_give_a_result_or_an_error(world):
    _, landmarks = rendered(1)
    for content in bombs().values():
        reason = "67 million|damaged|WebP|[Ii]nvalid|decode"
        refused(world, "embed_jpeg", reason, image=[content], landmarks=landmarks)
    generator, whole = np.random.default_rng(0), files(faces=1)
    results = 0
    for turn in range(90):
        content = mutated(whole[turn % len(whole)][1], generator)
        try:
            found = world("embed_jpeg", image=[content], landmarks=landmarks / 2)
            assert np.isfinite(found["embedding"]).all()
            results += 1
        except tf.errors.InvalidArgumentError:
            pass
    assert 5 < results < 85


# === Versions, what lies beside the graph ===


@pytest.fixture
def quick(world, monkeypatch):
    """Exports that draw no faces, write the graph of the world's, and run it in no other process."""

    def copied(path, *_):
        shutil.copytree(world.path, path, dirs_exist_ok=True, ignore=BESIDE)

    monkeypatch.setattr(signatures, "write_saved_model", copied)
    of = "sparseface_tf.export.exporter.some_faces"
    monkeypatch.setattr(of, lambda *_, **__: world.exporter.faces)
    monkeypatch.setattr(SavedModelExporter, "_requests", lambda self: world.exporter.requests)
    expected = world.exporter._expected()
    found = {
        name: {"embedding": value}
        if value.ndim == 2
        else {"score": value, "probability": world.scoring.calibration.probability(value)}
        for name, value in expected.items()
    }
    monkeypatch.setattr(SavedModelExporter, "_expected", lambda self: expected)
    monkeypatch.setattr(SavedModelExporter, "_found", lambda self, path: found)
    return found


def test_versions(world, tmp_path, quick):
    output = tmp_path / "face"
    output.mkdir()
    (output / ".9.x.partial").mkdir()
    (output / "notes").mkdir()
    assert exporter(world.root, output).run() == str(output / "1")
    assert exporter(world.root, output, version=7).run() == str(output / "7")
    assert exporter(world.root, output).path == str(output / "8")
    assert find_model(output) == str(output / "7")
    with pytest.raises(FileExistsError, match="face/1 is there already: give another --version"):
        exporter(world.root, output, version=1)
    late = exporter(world.root, output, version=9)
    (output / "9").mkdir()
    (output / "9" / "other").write_text("of somebody else")
    with pytest.raises(FileExistsError, match="face/9 is there already"):
        late.run()
    assert os.listdir(output / "9") == ["other"]
    assert sorted(os.listdir(output)) == [".9.x.partial", "1", "7", "9", "notes"]


def test_a_version_is_seen_when_it_is_whole(world, tmp_path, quick, monkeypatch):
    seen = []

    def look(self, path):
        seen.extend(os.listdir(tmp_path))
        return quick

    monkeypatch.setattr(SavedModelExporter, "_found", look)
    exporter(world.root, tmp_path).run()
    # A server takes folders whose names are numbers.
    assert len(seen) == 1 and not seen[0].isdecimal() and os.listdir(tmp_path) == ["1"]


@pytest.mark.parametrize("signature, output", [("embed_jpeg", "embedding"), ("verify", "score")])
def test_what_computes_something_else_leaves_nothing(world, tmp_path, quick, signature, output):
    quick[signature][output] = -quick[signature][output]
    with pytest.raises(ValueError, match="^Nothing is written, as the SavedModel does not compute"):
        exporter(world.root, tmp_path).run()
    assert not os.listdir(tmp_path)


def test_a_failing_child_is_a_failure_of_one_line(world, tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text("import os\nos.kill(os.getpid(), 11)\n")
    monkeypatch.setattr("sparseface_tf.export.saved_model.exporter.WORKER", str(tmp_path / "crashing.py"))
    crash = r"^Nothing is written, .* TensorFlow crashed .*SIGSEGV\)\.$"
    with pytest.raises(ValueError, match=crash):
        exporter(world.root, tmp_path / "out").run()
    assert not os.listdir(tmp_path / "out")


@pytest.mark.skipif(not has_warmup(), reason="tensorflow-serving-api is not installed")
def test_warm_up_requests_run(world):
    requests = warmup.read_requests(world.path)
    assert {name for name, _ in requests} == set(world.model.signatures)
    for signature, inputs in requests:
        outputs = world(signature, **inputs)
        assert {len(value) for value in outputs.values()} == {3}


def test_the_card_and_the_metadata(world):
    card = (saved_model_file_path(world) / "MODEL_CARD.md").read_text()
    assert "Joint Bayesian, `probability` that of one person" in card
    assert "embed_jpeg and the network in float32: cosine 1.000000" in card
    assert "was not measured" in card and "{" not in card
    about = json.loads((saved_model_file_path(world) / "sparseface_tf.json").read_text())
    assert about["input"]["normalisation"] == "(pixel - 127.5) / 128.0"
    masked = {layer["name"]: layer["density"] for layer in about["layers"]}
    assert masked == {
        name: world.network.get_layer(name).density for name in ("1a", "1b", "5a", "f-1")
    }


def saved_model_file_path(world):
    return world.root / "face" / "1" / saved_model.EXTRA


def test_the_card_tells_of_the_run(tmp_path):
    (tmp_path / "stage1").mkdir()
    settings = {
        "data": "/somewhere/faces", "test_data": "/somewhere/LFW/", "criterion": "correlation",
        "pairs": 64, "seed": 3,
    }  # fmt: skip
    (tmp_path / "experiment.json").write_text(json.dumps(settings))
    (tmp_path / "held_out.txt").write_text("a\nb\n")
    tested = {"accuracy": 0.8735, "standard_error": 0.0063}
    metrics = {
        "stage": 1, "name": "1/256-f", "steps": 534, "parameters": 1000, "parameters_kept": 100,
        "verification": {"held_out": tested, "test": tested},
    }  # fmt: skip
    (tmp_path / "stage1" / "metrics.json").write_text(json.dumps(metrics))
    facts = training_facts(str(tmp_path / "stage1" / "model.keras"))
    assert facts["faces"] == "faces" and facts["held out"].startswith("2 people")
    assert facts["stage"] == "1, 1/256-f, criterion correlation" and facts["seed"] == "3"
    assert facts["test accuracy of LFW"].startswith("0.8735 ± 0.0063")
    assert training_facts("/nowhere/model.keras") == {}


def test_open_embedder(world):
    for path in (world.root / "face", world.path):
        embedder = open_embedder(path)
        assert embedder.path == str(world.path) and embedder.region == REGION
        np.testing.assert_allclose(
            embedder.network.predict_on_batch(crops(2)),
            world.network.predict_on_batch(crops(2)),
            rtol=1e-4, atol=1e-5,
        )  # fmt: skip
    assert embedder.key != open_embedder(world.root / "model.keras").key
    assert embedder.network.output_shape == (None, 16)
    with pytest.raises(ValueError, match="is exported already: give a .keras file"):
        exporter(world.path, world.root / "twice")


# === Strangers' files ===


def test_graphs_that_do_more_than_compute_are_refused(tmp_path):
    spec = tf.TensorSpec((None, 28, 24, 3), tf.float32, "image")

    def saved(name, work):
        module = tf.Module()

        @tf.function(input_signature=[spec])
        def call(image):
            return {"embedding": work(image)}

        tf.saved_model.save(module, str(tmp_path / name), signatures=call.get_concrete_function())
        return tmp_path / name

    def writes(image):
        tf.io.write_file(str(tmp_path / "written"), "hello")
        return tf.reduce_mean(image, (1, 2))

    def reads(image):
        secret = tf.strings.length(tf.io.read_file("/etc/passwd"))
        return tf.reduce_mean(image, (1, 2)) + tf.cast(secret, tf.float32)

    def saves(image):
        named = dict(tensor_names=["x"], shape_and_slices=[""], tensors=[image])
        tf.raw_ops.SaveV2(prefix=str(tmp_path / "written"), **named)
        return tf.reduce_mean(image, (1, 2))

    for work, operation in ((writes, "WriteFile"), (reads, "ReadFile"), (saves, "SaveV2")):
        with pytest.raises(ValueError, match=f"does more than compute: operation {operation}"):
            open_embedder(saved(work.__name__, work))
    assert not [*tmp_path.glob("written*")]
    fine = open_embedder(saved("fine", lambda image: tf.reduce_mean(image, (1, 2))))
    assert fine.network.output_shape == (None, 3)


def test_broken_folders_are_refused(world, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="is not a SavedModel to use: "):
        open_embedder(tmp_path)
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="is not a SavedModel to use: its saved_model.pb has 0"):
        open_embedder(tmp_path)


# === Settings ===


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(quantization="int8"), "--quantization is for --format=tflite: leave it out"),
        (dict(compare=False), "--compare is for --format=tflite"),
        (dict(format="tflite", version=3), "--version is for --format=saved_model"),
        (dict(version=-1), "--version must be 0 or more"),
        (dict(scorer="euclidean"), "--scorer=euclidean: choose from cosine, joint_bayesian"),
        (dict(recognition="/nowhere.npz"), "No calibration /nowhere.npz"),
    ],
)
def test_bad_settings(world, tmp_path, changes, message):
    with pytest.raises((ValueError, OSError), match=message):
        exporter(world.root, tmp_path, **changes)


def test_the_scorer_can_be_chosen(world, tmp_path, quick):
    assert exporter(world.root, tmp_path).scoring[0] == "joint_bayesian"
    assert exporter(world.root, tmp_path, scorer="cosine").scoring[0] == "cosine"
    os.link(world.root / "model.keras", tmp_path / "model.keras")
    assert exporter(tmp_path, tmp_path / "out").scoring is None
    with pytest.raises(ValueError, match="--scorer=joint_bayesian needs its parameters"):
        exporter(tmp_path, tmp_path / "out", scorer="joint_bayesian")
