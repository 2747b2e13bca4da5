"""Files from strangers: an error of one line or a result, never a crash or memory without bounds."""

import os
import resource

import keras
import numpy as np
import pytest
import tensorflow as tf
from mutations import bombs, files, mutated, picture_or_reason

from pipelines.faces.images import MAX_PIXELS, decode
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.recognition.photos import UnusablePhoto, open_photo


def peak():
    """Most memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_damaged_images_give_an_error_or_an_image():
    intact = files(size=48, faces=1)
    for kind, content in intact:  # what the damage is done to can be read
        assert picture_or_reason(content, decode) == (48, 48, 3), kind
    generator = np.random.default_rng(0)
    contents = [content for _, content in intact]
    graph = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])
    found = [picture_or_reason(c, graph) for c in contents]
    for _ in range(45):
        found += [picture_or_reason(mutated(c, generator, contents), graph) for c in contents]
    pictures = sum(isinstance(one, tuple) for one in found)
    assert 50 < pictures < len(found) - 50


def test_damaged_photographs_give_one_line_or_a_photograph(tmp_path):
    generator = np.random.default_rng(1)
    contents = [content for _, content in files(size=48, faces=1)]
    path, refused = tmp_path / "photo", 0
    for _ in range(6):
        for content in contents:
            path.write_bytes(mutated(content, generator, contents))
            try:
                assert open_photo(path).image.dtype == np.uint8
            except UnusablePhoto as error:
                refused += 1
                assert "\n" not in str(error) and str(path) in str(error)
                assert len(str(error)) < 400 and "{{" not in str(error)
    assert 0 < refused < 54


@pytest.fixture(scope="module")
def huge():
    return bombs(9000)  # 81 million pixels


def test_images_that_claim_to_be_huge_are_refused_before_decoding(tmp_path, huge):
    picture_or_reason(files(size=48, faces=1)[0][1], decode)
    before = peak()
    graph = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])
    for name, content in huge.items():
        for one in (decode, graph):
            reason = picture_or_reason(content, one)
            assert "more than 67 million pixels: make it smaller" in str(reason), name
        path = tmp_path / name
        path.write_bytes(content)
        # Recognition decodes the first frame only, which is not there.
        expected = "GIF file that is damaged" if name == "GIF of many frames" else "more than 67 million pixels"
        with pytest.raises(UnusablePhoto, match=expected) as error:
            open_photo(path)
        assert "\n" not in str(error.value)
    # Each of them would have taken more.
    assert peak() - before < 200


def test_the_limit_is_where_it_is_said(monkeypatch):
    contents = dict(files(size=48, faces=1))
    for limit, fits in ((48 * 48, True), (48 * 48 - 1, False)):
        monkeypatch.setattr("pipelines.faces.images.MAX_PIXELS", limit)
        for kind, content in contents.items():
            assert isinstance(picture_or_reason(content, decode), tuple) == fits, kind
    assert MAX_PIXELS == 1 << 26


def test_what_is_no_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UnusablePhoto, match="none.jpg cannot be read: No such file"):
        open_photo(tmp_path / "none.jpg")
    with pytest.raises(UnusablePhoto, match="is no file: give a photograph|is a folder: give its photographs"):
        open_photo(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UnusablePhoto, match="is no file: give a photograph|is a folder: give its photographs"):
        open_photo(tmp_path / "pipe.jpg")  # and does not wait for a writer
    with pytest.raises(UnusablePhoto, match="cannot be read"):
        open_photo("a\0b")
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(3000))
    monkeypatch.setattr("sparseface_tf.recognition.photos.MAX_BYTES", 2000)
    with pytest.raises(UnusablePhoto, match="make it smaller"):
        open_photo(tmp_path / "large.jpg")


def test_a_model_with_code_in_it_is_refused_in_one_line(tmp_path):
    inputs = keras.Input((28, 24, 3))
    x = keras.layers.Lambda(lambda t: t * 2, output_shape=(28, 24, 3))(inputs)
    keras.Model(inputs, keras.layers.Flatten()(x)).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="holds code that would run .* is refused") as error:
        open_embedder(tmp_path)
    assert "\n" not in str(error.value)
