"""Which of several faces in a photograph a person is."""

import sys
from collections.abc import Sequence

from pipelines.detection import Face


def ask_which(path: str, name: str, faces: Sequence[Face], width: int, height: int) -> int:
    """Asks at the terminal which of several faces is a person's.

    Args:
        path: the photograph.
        name: the person.
        faces: two or more, from left to right.
        width, height: size of the photograph in pixels.

    Returns:
        Number of the face, from 1.

    Raises:
        ValueError: if nobody can be asked, or the answer is no such number; without a full stop.
    """
    found = f"{len(faces)} faces"
    if sys.stdin is None or not sys.stdin.isatty():
        raise ValueError(
            f"{found}: --face=1 to {len(faces)}, counted from the left, says which one is {name}; "
            "--yes takes the largest and most central one; --save=FILE draws them with numbers"
        )
    print(f"{path}: {found}.")
    for number, face in enumerate(faces, start=1):
        print(f"  {number}: {_place(face, width, height)}")
    try:
        answer = input(f"Which one is {name}? 1 to {len(faces)}, or Enter for none: ").strip()
    except EOFError:
        answer = ""
    if not answer:
        raise ValueError("not enrolled")
    if not answer.isascii() or not answer.isdigit() or not 1 <= int(answer) <= len(faces):
        raise ValueError(f"not enrolled: {answer[:40]!r} is not a number from 1 to {len(faces)}")
    return int(answer)


def _place(face, width, height):
    left, top, right, bottom = face.box
    across, down = (left + right + 1) / 2 / width, (top + bottom + 1) / 2 / height
    return (
        f"{right - left:.0f} x {bottom - top:.0f} pixels, {_part(across, 'left', 'right')} "
        f"{_part(down, 'top', 'bottom')}"
    )


def _part(position, low, high):
    """Where between two sides something is, such as "20 % from the left"."""
    if position <= 0.5:
        return f"{100 * max(position, 0):.0f} % from the {low}"
    return f"{100 * max(1 - position, 0):.0f} % from the {high}"
