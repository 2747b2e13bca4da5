"""What works on one replica only, and says so under a distribution strategy of more."""

from __future__ import annotations

from typing import Any


def check_one_replica(holder: Any, what: str) -> None:
    """Raises ValueError if something lives on several replicas of a `tf.distribute` strategy.

    There `predict_on_batch` gives every replica the whole batch, and a weight that a loss assigns
    becomes another on each replica.

    Args:
        holder: a `keras.Model`, or a `keras.Variable`.
        what: what cannot be done, the subject of the message.
    """
    value = getattr(holder, "value", holder)
    strategy = getattr(value, "distribute_strategy", None)
    replicas = getattr(strategy, "num_replicas_in_sync", 1)
    if replicas > 1:
        raise ValueError(f"{what} works on one replica only, and the strategy has {replicas}.")
