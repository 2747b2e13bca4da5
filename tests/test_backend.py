"""The programs say in a line which backend of Keras they need."""

import json

import pytest

from sparseface_tf.programs import evaluate, export, recognize, reproduce, train
from sparseface_tf.programs.backend import check_backend


@pytest.mark.parametrize("module", [train, evaluate, export, recognize, reproduce])
def test_another_backend_is_told(module, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(SystemExit) as raised:
        module.program([])
    assert "KERAS_BACKEND chooses 'jax': put KERAS_BACKEND=tensorflow before" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", ["no JSON", "[]", "{}", '{"backend": "tensorflow"}', None])
def test_keras_own_configuration(content, monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if content is not None:
        (tmp_path / "keras.json").write_text(content)
    check_backend()
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    with pytest.raises(ValueError, match="keras.json chooses 'torch'"):
        check_backend()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    check_backend()
