"""Packages that import what they hand on when it is asked for: some of it takes seconds to import."""

import ast
from collections.abc import Callable

import lazy_loader


def handed_on(package: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """What a package's `__init__.py` ends with, so that importing the package imports nothing else.

        if TYPE_CHECKING:
            from package.module import Name

        __all__ = ["Name"]
        __getattr__, __dir__ = handed_on(__name__, __file__)

    The imports are read from the file: they stand there once, where readers, type checkers and the site
    find them.

    Args:
        package: its `__name__`.
        file: its `__file__`.

    Returns:
        The module's `__getattr__` and `__dir__`.
    """
    with open(file, encoding="utf-8") as source:
        statements = ast.parse(source.read()).body
    imports = [
        each
        for block in statements
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for each in block.body
        if isinstance(each, ast.ImportFrom) and each.module
    ]
    names: dict[str, list[str]] = {}
    for each in imports:
        module = str(each.module).removeprefix(f"{package}.")
        names.setdefault(module, []).extend(alias.name for alias in each.names)
    getter, lister, _ = lazy_loader.attach(package, submod_attrs=names)
    return getter, lister
