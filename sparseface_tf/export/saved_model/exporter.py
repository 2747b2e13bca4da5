"""From a trained network to a version of a SavedModel with its card and warm-up requests."""

import json
import os
import tempfile

import numpy as np
import tensorflow as tf
from absl import logging

from pipelines.batches.batches import network_input
from pipelines.faces.images import decode
from pipelines.files import write_folder, write_json, write_text
from pipelines.sources.boxed_faces import box_landmarks
from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.child import run_on_file
from sparseface_tf.embedding import saved_model, versions
from sparseface_tf.export import parity
from sparseface_tf.export.card import CARD, source_name
from sparseface_tf.export.exporter import PARITY, Exporter
from sparseface_tf.export.layer import mask_hash
from sparseface_tf.export.saved_model import signatures, warmup
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.recognition import scoring

WORKER = os.path.join(os.path.dirname(__file__), "worker.py")
# Image files that file and network are compared on; rendered, at twice the resolution of a crop.
FILES, SIZE = 8, 256

INTERFACE = """\
Signatures for TensorFlow Serving and for KServe's Python server; n is any number of faces above 0.

| signature | inputs | outputs |
|---|---|---|
| `serving_default` | `image`: float32 {crops} | `embedding`: float32 {features} |
| `embed_jpeg` | `image`: string (n), encoded; `landmarks`: float32 (n, 5, 2) | `embedding` |
| `embed_jpeg_box` | `image`: string (n), encoded; `box`: float32 (n, 4) | `embedding` |
| `verify` | `image_a`, `image_b`: float32 {crops} | {scores} |
| `score` | `embedding_a`, `embedding_b`: float32 {features} | {scores} |

`embed_jpeg` and `embed_jpeg_box` take whole files: JPEG, PNG, BMP, GIF (its first frame), WebP;
at most 67 million pixels; an orientation in EXIF data is ignored. Landmarks are x and y in pixels
of the file's own rows and columns: the viewer's left eye, right eye, nose, left and right corner
of the mouth. A box is left, top, width and height around a face, as detectors give it; with
landmarks the face is aligned better. Their features are the mean of those of the face and of its
mirror image, as in an evaluation; `serving_default` gives those of the crops as they are. One
image that cannot be used, or landmarks or a box far outside of it, is an error for the whole
request: INVALID_ARGUMENT.

`score` is that of {scorer}{probability}. `verify` takes crops{mirrored}.
"""


class SavedModelExporter(Exporter):
    """See `Exporter`."""

    title = "SavedModel"

    def prepare(self):
        super().prepare()
        export = self.export
        self.scoring = self._scoring()
        if export.warmup:
            warmup.check()
        folder = os.path.expanduser(export.output)
        os.makedirs(folder, exist_ok=True)
        taken = [int(name) for name in os.listdir(folder) if name.isdecimal()]
        version = export.version or max(taken, default=0) + 1
        if version in taken:
            raise FileExistsError(f"{folder}/{version} is there already: give another --version.")
        self.path = os.path.join(folder, str(version))
        self.requests = self._requests()

    def run(self):
        write_folder(self.path, self._write)
        logging.info("%s is written.", self.path)
        return self.path

    def _write(self, path):
        """Writes the version at a path where no server sees it, and compares it there."""
        signatures.write_saved_model(path, self.network, self.embedder.region, self.scoring)
        graph = saved_model.read_graph(path)
        saved_model.check_operations(graph)
        saved_model.check_without_masks(path, graph)
        os.makedirs(os.path.join(path, versions.EXTRA), exist_ok=True)
        found = self._found(path)
        measured, facts = self._compare(found)
        if self.export.warmup:
            name = os.path.basename(os.path.dirname(self.path))
            few = [
                (signature, {name: value[: self.export.warmup] for name, value in inputs.items()})
                for signature, inputs in self.requests.items()
            ]
            warmup.write_requests(path, name, few)
        layers = [
            {"name": name, "density": density, "mask_sha256": mask}
            for name, density, mask in self._layers()
        ]
        about = self.metadata(layers, measured)
        write_json(os.path.join(path, versions.METADATA), about)
        text = self.card(facts, self._interface())
        write_text(os.path.join(path, versions.EXTRA, CARD), text)
        print(text)

    def _scoring(self):
        """(name, `Scoring`) of pairs' scores, or None."""
        export, given = self.export, os.path.expanduser(self.export.recognition)
        path = given or os.path.join(os.path.dirname(self.embedder.path), scoring.FILE)
        if not given and not os.path.exists(path):
            if export.scorer == scoring.JOINT_BAYESIAN:
                raise ValueError(
                    f"--scorer={export.scorer} needs its parameters, and there is no {path}: "
                    f"{scoring.calibrate_command(export.model, path)} --train_data=DIR makes it."
                )
            return None
        found = scoring.read_scorings(path, scoring.key_of(self.embedder), export.model)
        best = [name for name in (scoring.JOINT_BAYESIAN, scoring.COSINE) if name in found]
        name = export.scorer or best[0]
        if name not in found:
            raise ValueError(f"{path} has no {name}: calibrate with --train_data.")
        return name, found[name]

    def _requests(self):
        """Inputs of each signature to compare it on: dict from its name to a dict of arrays."""
        source = SyntheticFaces(identities=FILES, images_per_identity=1, seed=PARITY, size=SIZE)
        loaded = [source.load(tf.constant(i)) for i in range(FILES)]
        files = np.array([tf.io.encode_jpeg(image).numpy() for image, _ in loaded], object)
        landmarks = np.stack([points.numpy() for _, points in loaded])
        first, last = landmarks.min(1), landmarks.max(1)
        # Roughly what a detector gives.
        box = np.concatenate([first - (last - first) / 2, 2 * (last - first)], 1)
        crops, half = self.faces, max(1, len(self.faces) // 2)
        pair = {"image_a": crops[:half], "image_b": crops[-half:]}
        features = self.features(self.network, crops)
        return {
            saved_model.DEFAULT: {"image": crops},
            "embed_jpeg": {"image": files, "landmarks": landmarks},
            "embed_jpeg_box": {"image": files, "box": box.astype(np.float32)},
            "verify": pair,
            "score": {"embedding_a": features[:half], "embedding_b": features[-half:]},
        }

    def _expected(self):
        """What each signature should give, by the network and the pipelines that it was made of."""
        requests = self.requests
        files = [decode(content) for content in requests["embed_jpeg"]["image"]]
        boxes = [box_landmarks(box) for box in requests["embed_jpeg_box"]["box"]]
        pair = [self._of_pair(requests["verify"][f"image_{x}"]) for x in "ab"]
        score = [requests["score"][f"embedding_{x}"] for x in "ab"]
        return {
            saved_model.DEFAULT: self.features(self.network, self.faces),
            "embed_jpeg": self._of_files(files, requests["embed_jpeg"]["landmarks"]),
            "embed_jpeg_box": self._of_files(files, boxes),
            "verify": self._scorer.score_pairs(*pair),
            "score": self._scorer.score_pairs(*score),
        }

    @property
    def _scorer(self):
        return self.scoring[1].scorer if self.scoring else Cosine()

    def _of_files(self, images, places):
        """Features of faces, averaged with those of the mirrored ones."""
        both = []
        for mirrored in (False, True):
            crops = [
                network_input(image, place, self.embedder.region, mirrored=mirrored).numpy()
                for image, place in zip(images, places)
            ]
            both.append(self.features(self.network, np.stack(crops)))
        return (both[0] + both[1]) / 2

    def _of_pair(self, crops):
        features = self.features(self.network, crops)
        if not signatures.symmetric(self.embedder.region):
            return features
        return (features + self.features(self.network, crops[:, :, ::-1])) / 2

    def _found(self, path):
        """What the signatures give, in a process of their own: dict of dicts of arrays."""
        with tempfile.TemporaryDirectory(prefix="saved_model") as folder, self.comparing():
            for signature, inputs in self.requests.items():
                for name, value in inputs.items():
                    with open(os.path.join(folder, f"{signature}.{name}.pb"), "wb") as file:
                        file.write(tf.make_tensor_proto(value).SerializeToString())
            job = {signature: [*inputs] for signature, inputs in self.requests.items()}
            run_on_file(WORKER, path, folder, json.dumps(job), runtime="TensorFlow")
            found = {}
            for signature in self.requests:
                with np.load(os.path.join(folder, f"{signature}.npz"), allow_pickle=False) as file:
                    found[signature] = dict(file)
        return found

    def _compare(self, found):
        """Compares all signatures; returns the `Parity` of the features, and facts for the card."""
        expected, facts = self._expected(), self.width_facts()
        facts["computed in training as"] = self.trained_as() + "; here float32"
        facts["compared on"] = (
            f"{len(self.faces)} faces of {source_name(self.export.parity_data)}, {FILES} rendered "
            "image files"
        )
        for signature in (saved_model.DEFAULT, "embed_jpeg", "embed_jpeg_box"):
            measured = self.parity(expected[signature], found[signature]["embedding"])
            facts[f"{signature} and the network in float32"] = str(measured)
            logging.info("%s: %s.", signature, measured)
        for signature in ("verify", "score"):
            facts[f"{signature} and its scorer"] = self._compare_scores(
                expected[signature], found[signature]
            )
        trained = self.features(self.embedder.network, self.faces)
        features = found[saved_model.DEFAULT]["embedding"]
        facts["serving_default and the network as it was trained"] = str(
            parity.compare(trained, features)
        )
        return self.parity(expected[saved_model.DEFAULT], features), facts

    def _compare_scores(self, expected, found):
        error = np.abs(found["score"] - expected).max()
        largest = np.abs(expected).max()
        text = f"largest error {error:.2g} where scores reach {largest:.2g}"
        with self.comparing():
            # NaN is not below.
            if not error <= 1e-3 * (1 + largest):
                raise ValueError(f"scores: {text}")
            if "probability" in found:
                probability = self.scoring[1].calibration.probability(expected)
                if not np.abs(found["probability"] - probability).max() <= 1e-2:
                    raise ValueError("its probabilities are others than the calibration's")
        return text

    def _layers(self):
        """(name, density, hash of the mask) of the layers with a mask."""
        for layer in self.embedder.network.layers:
            if mask_hash(layer):
                yield layer.name, layer.density, mask_hash(layer)

    def _interface(self):
        region, network = self.embedder.region, self.network
        outputs = "`score`: float32 (n)"
        probability = ", and there is no calibration, so no probability"
        if self.scoring:
            outputs += "; `probability`: float32 (n)"
            calibration = self.scoring[1].calibration
            probability = (
                ", `probability` that of one person where both answers are equally likely "
                f"beforehand, calibrated on {calibration.genuine:,} pairs of one person and "
                f"{calibration.impostors:,} of two, of {calibration.people:,} people"
            )
        mirrored = ", and averages the features of each with those of its mirror image"
        if not signatures.symmetric(region):
            mirrored = (
                ", whose mirror images are not those of the mirrored face: their features are not "
                "averaged, and probabilities are those of averaged ones. `score` of `embed_jpeg`'s "
                "features is better"
            )
        scorer = {scoring.COSINE: "the cosine", scoring.JOINT_BAYESIAN: "Joint Bayesian"}
        return INTERFACE.format(
            crops="(n, {}, {}, {})".format(*network.input_shape[1:]),
            features=f"(n, {network.output_shape[-1]})",
            scores=outputs,
            scorer=scorer[self.scoring[0] if self.scoring else scoring.COSINE],
            probability=probability,
            mirrored=mirrored,
        )
