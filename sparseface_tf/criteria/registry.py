"""The criteria there are, by name."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import pkgutil
from collections.abc import Mapping
from typing import Any

from sparseface_tf.channels.criteria import ChannelCriterion
from sparseface_tf.criteria.base import Criterion


def criteria() -> dict[str, type[Criterion]]:
    """All criteria: those of this package and those of files that `load_criteria` has read.

    Returns:
        Dict from name to subclass of `Criterion`, sorted by name.
    """
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    return dict(sorted(Criterion.named.items()))


def criterion(text: str, **defaults: Any) -> Criterion:
    """Makes a criterion from its name and settings.

    Args:
        text: "NAME" or "NAME,SETTING=VALUE,...", such as "correlation,lam=1".
        **defaults: settings that the text may leave out; those that the criterion has not are
            passed over.

    Returns:
        A `Criterion`.

    Raises:
        ValueError: for an unknown name or setting, or a value that makes no sense.

    Example:

    >>> criterion("correlation,lam=1").lam
    1.0
    """
    return _made(text, criteria(), defaults)


def channel_criteria() -> dict[str, type[ChannelCriterion]]:
    """All criteria of channels: dict from name to `ChannelCriterion`, sorted by name."""
    return dict(sorted(ChannelCriterion.named.items()))


def channel_criterion(text: str) -> ChannelCriterion:
    """Makes a criterion of channels from its name and settings, as `criterion` does of weights."""
    return _made(text, channel_criteria(), {})


def _made(text: str, known: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    name, *pairs = (part.strip() for part in text.split(","))
    if name not in known:
        raise ValueError(f"there is no criterion '{name}'; choose from {', '.join(known)}.")
    fields = {field.name: field for field in dataclasses.fields(known[name])}
    settings = {key: value for key, value in defaults.items() if key in fields}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or key not in fields:
            raise ValueError(
                f"criterion '{name}' has no setting '{key}'; it has "
                f"{', '.join(f'{field}=…' for field in fields) or 'none'}."
            )
        kind: Any = type(fields[key].default)
        try:
            settings[key] = kind(value)
        except ValueError:
            raise ValueError(
                f"setting {key} of criterion '{name}' must be a {kind.__name__}, got '{value}'."
            ) from None
    return known[name](**settings)


def load_criteria(path: str | os.PathLike[str]) -> None:
    """Runs a Python file that defines criteria; `criteria()` has them from then on.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it cannot be run, or defines no criterion, or one whose name is taken.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"No file of criteria {path}: check its name.")
    # Named after its path, so that a file that was changed may define its criteria anew.
    name = f"criteria_{hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
        raise ValueError(f"{path} is not a Python file: its name must end with .py.")
    module = importlib.util.module_from_spec(spec)
    criteria()  # whose names are taken
    try:
        # Not by exec_module: it takes a compiled file's word where the source was changed within a
        # second and is as long as before.
        exec(spec.loader.source_to_code(spec.loader.get_data(os.fspath(path)), path), module.__dict__)
    except Exception as error:
        raise ValueError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    found = [*Criterion.named.values(), *ChannelCriterion.named.values()]
    if not any(criterion.__module__ == name for criterion in found):
        raise ValueError(f"{path} defines no criterion: give a subclass of Criterion a name.")
