"""Families of classes that are known by a name each, in flags and in tables."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import pathlib
from typing import Any, ClassVar


class Named:
    """Base of a family: a dataclass that has

    Attributes of the class:
        family: what one of them is called in messages.
        named: its own dict, of the classes by name.
        name: of each subclass that is to be known.
    """

    family: ClassVar[str] = ""
    named: ClassVar[dict[str, type]] = {}
    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if vars(cls).get("name"):
            taken = cls.named.get(cls.name)
            if taken is not None and taken.__module__ != cls.__module__:
                raise ValueError(
                    f"a {cls.family} '{cls.name}' is in {taken.__module__} already: choose "
                    "another name"
                )
            cls.named[cls.name] = cls

    def __str__(self) -> str:
        """Name and settings, as flags give them."""
        values = (f"{f.name}={getattr(self, f.name)}" for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return ",".join([self.name, *values])


@dataclasses.dataclass(frozen=True)
class Later:
    """A class that is imported when it is called, with what takes seconds to import.

    Attributes:
        module: where it is.
        kind: what it is called.
    """

    module: str
    kind: str

    def __call__(self, *args: Any) -> Any:
        """What the class makes of the arguments."""
        return getattr(importlib.import_module(self.module), self.kind)(*args)


def names_in(module: str) -> list[str]:
    """Names of the classes in a module, or in the modules of a package, which are not imported.

    What they import may take seconds, which a program that only lists the names need not wait for.

    Args:
        module: such as "sparseface_tf.criteria".

    Returns:
        Sorted list of what is assigned to `name` in the bodies of classes.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no module {module}")
    file = pathlib.Path(spec.origin)
    files = sorted(file.parent.glob("*.py")) if spec.submodule_search_locations else [file]
    classes = [
        node
        for each in files
        for node in ast.parse(each.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    return sorted(
        ast.literal_eval(statement.value)
        for node in classes
        for statement in node.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "name"
    )
