"""The parts that image files are made of: where one of them begins.

All runs in a tf.data graph as well, and reads the heads of parts only, not what is in them.
"""

from collections.abc import Callable

import tensorflow as tf

# Parts looked at; photographs have some tens, a large PNG some hundreds.
_MOST = 2048


def png_part(content: tf.Tensor, kind: bytes, before: bytes = b"IEND") -> tf.Tensor:
    """Where the data of a PNG's chunk begins.

    Args:
        content: scalar string tensor, a PNG file.
        kind: four letters, such as b"tRNS".
        before: the kind of chunk that ends the search.

    Returns:
        int32 scalar, -1 where there is none.
    """

    def step(at):
        head = bytes_at(content, at, 8)
        found, ended = begins(head, kind, 4), begins(head, before, 4)
        return found, ended, at + 8, at + 12 + number(head[:4], big=True)

    return _search(content, 8, step)


def webp_part(content: tf.Tensor, kind: bytes) -> tf.Tensor:
    """Where the data of a WebP's chunk begins, see `png_part`."""

    def step(at):
        head = bytes_at(content, at, 8)
        size = number(head[4:], big=False)
        return begins(head, kind), tf.constant(False), at + 8, at + 8 + size + size % 2

    return _search(content, 12, step)


def jpeg_part(content: tf.Tensor, marker: int, start: bytes) -> tf.Tensor:
    """Where the data of a JPEG's segment begins, behind its own first bytes, see `png_part`.

    Args:
        content: scalar string tensor, a JPEG file.
        marker: second byte of its marker, such as 0xE1.
        start: how it begins.
    """

    def step(at):
        head = bytes_at(content, at, 4 + len(start))
        found = (head[1] == marker) & begins(head, start, 4)
        # What follows the start of the scan is no segment.
        ended = (head[0] != 0xFF) | (head[1] == 0xDA) | (head[1] == 0xD9)
        filled = head[1] == 0xFF
        after = tf.where(filled, at + 1, at + 2 + number(head[2:4], big=True))
        return found & ~ended, ended, at + 4 + len(start), after

    return _search(content, 2, step)


def bytes_at(content: tf.Tensor, at: tf.Tensor, count: int) -> tf.Tensor:
    """So many bytes of a file, int32 (count,), zeros behind its end."""
    at = tf.minimum(at, tf.strings.length(content))
    part = tf.strings.substr(content, at, count)
    return tf.cast(tf.io.decode_raw(part, tf.uint8, fixed_length=count), tf.int32)


def begins(digits: tf.Tensor, kind: bytes, at: int = 0) -> tf.Tensor:
    """Whether bytes, integers (n,), are others from some place on: a boolean scalar."""
    return tf.reduce_all(digits[at : at + len(kind)] == list(kind))


def number(digits: tf.Tensor, big: bool | tf.Tensor) -> tf.Tensor:
    """The number that two or four bytes make, int32; 2³⁰ for all above.

    Args:
        digits: int32 (2,) or (4,).
        big: whether the most significant byte comes first.
    """
    weights = tf.constant([1 << 24, 1 << 16, 1 << 8, 1][-digits.shape[0] :], tf.int64)
    weights = weights if big is True else tf.where(big, weights, weights[::-1])
    value = tf.reduce_sum(tf.cast(digits, tf.int64) * weights)
    return tf.cast(tf.minimum(value, 1 << 30), tf.int32)


def _search(content: tf.Tensor, start: int, step: Callable) -> tf.Tensor:
    """Goes from part to part until `step` finds one, or an end.

    Args:
        content: scalar string tensor.
        start: where the first part begins.
        step: function of where a part begins, int32, that returns whether it is the one, whether
            the search ends here, where its data begins, and where the next part does.
    """
    size = tf.strings.length(content)

    def going(at, found, steps):
        return (at < size) & (found < 0) & (steps < _MOST)

    def body(at, found, steps):
        is_it, ended, data, after = step(at)
        # Behind the end, also where a length is so large that the sum turns around.
        at = tf.where(ended | (after <= at), size, after)
        return at, tf.where(is_it, data, found), steps + 1

    return tf.while_loop(going, body, (tf.constant(start), tf.constant(-1), tf.constant(0)))[1]
