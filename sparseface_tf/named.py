"""Families of classes that are known by a name each, in flags and in tables."""

from __future__ import annotations

import dataclasses
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
