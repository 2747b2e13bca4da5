"""The page of a finished run, its file and its pictures."""

import re

import keras
import numpy as np
import pytest

from sparseface_tf.embedding.litert import run_in_child
from sparseface_tf.export.run_page import kept_by_place, write_run_page
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.stages import Stages


def test_a_run_has_its_file_and_its_page(tmp_path, small_runs):
    settings = Experiment.of(
        network="deepid2plus", branches=["pool1"], margin="1", pairs=2, steps=2, retrain_steps=2,
        correlation_images=8, sparsify=["1/4-f", "1/2-conv2"], output=str(tmp_path / "run"),
    )  # fmt: skip
    with Stages(settings) as run:
        run.prepare()
        run.run()
        table, page, file = write_run_page(run.folder, run.data, "train --page")
        faces, pairs, *_ = run.data.tests["held_out"]
    network = keras.models.load_model(tmp_path / "run/stage2/model.keras")
    images = faces.images[:4]
    found = run_in_child(open(file, "rb").read(), images)
    expected = network.predict(images, verbose=0)
    cosines = np.sum(found * expected, 1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.mean() > 0.999
    assert table.count("\n") == 2 + 3 and "1/4-f 1/2-conv2" in table
    sizes = [float(size) for size in re.findall(r"([\d.]+) MB", table)]
    assert len(sizes) == 3 and sizes[-1] == round((tmp_path / "run/network.tflite").stat().st_size / 1e6, 2)
    text = open(page, encoding="utf-8").read()
    assert text.count('<figure class="pair">') == 12 and text.count("data:image/jpeg") == 24
    assert len(re.findall('href="data:image/png;base64', text)) >= 2  # the masks, drawn in the plots
    assert text.count("<svg") == 2 and "train --page" in text
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text


@pytest.mark.parametrize("name", ["conv", "local", "f"])
def test_kept_connections_are_counted_where_they_lie(name):
    image = keras.Input((6, 5, 3))
    x = MaskedConv2D(4, 3, name="conv")(image)
    x = MaskedLocallyConnected2D(2, 2, name="local")(x)
    height, width, maps = x.shape[1:]
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    network = keras.Model(image, MaskedDense(5, name="f")(x))
    layer = network.get_layer(name)
    mask = np.random.default_rng(0).random(layer.mask.shape) < 0.3
    layer.assign_mask(mask)
    found, _ = kept_by_place(network, name)
    if name == "conv":
        expected = [[mask[:, :, i, o].mean() for o in range(4)] for i in range(3)]
    elif name == "local":
        grid = mask.reshape(height, width, -1)
        expected = [[grid[y, x].mean() for x in range(width)] for y in range(height)]
    else:
        rows = np.arange(height * width * maps).reshape(height, width, maps)
        expected = [[mask[rows[y, x]].mean() for x in range(width)] for y in range(height)]
    np.testing.assert_allclose(found, expected)
