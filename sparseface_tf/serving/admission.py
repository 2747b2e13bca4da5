"""Which requests a server takes, and for how long: a bounded queue, and a deadline for each.

HTTP (`http.py`) and gRPC (`rpc.py`) share one `Admission`, so that the bound holds for both
together. What waits is held as it was sent; only those whose turn it is are decoded.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from prometheus_client import Counter, Gauge

Answer = TypeVar("Answer")

ADMITTED = Gauge("requests_admitted", "Requests that are waiting or being computed")
REFUSED = Counter("requests_refused", "Requests that were not computed", ["reason"])
RETRY_AFTER = 1  # seconds


class Busy(Exception):
    """A request that is not taken: HTTP 503, gRPC UNAVAILABLE. Another attempt may succeed."""


class Late(Exception):
    """A request whose time was over: HTTP 504, or 408 if it did not arrive; DEADLINE_EXCEEDED."""


class Admission:
    """Lets a number of requests in, of which a smaller number are computed at a time.

    Of one event loop.

    Args:
        running: requests that are computed at a time, 1 or more.
        waiting: requests that may wait besides, 0 or more.
        deadline: seconds that a request has, from its first byte to its answer.

    Attributes:
        deadline: as given.
        limit: requests that are let in at a time.
        admitted: how many there are.
        stopping: whether no more are let in.
    """

    def __init__(self, running: int, waiting: int, deadline: float) -> None:
        self.deadline, self.limit = deadline, running + waiting
        self.admitted, self.stopping = 0, False
        self._turns = asyncio.Semaphore(running)

    def stop(self) -> None:
        """Lets no more in; those that are in go on."""
        self.stopping = True

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, for as long as the context lasts.

        Raises:
            Busy: if there is none.
        """
        if self.stopping:
            REFUSED.labels("stopping").inc()
            raise Busy("The server is stopping.")
        if self.admitted >= self.limit:
            REFUSED.labels("full").inc()
            raise Busy(f"The server has {self.limit} requests already: try again in a moment.")
        self.admitted += 1
        ADMITTED.set(self.admitted)
        try:
            yield
        finally:
            self.admitted -= 1
            ADMITTED.set(self.admitted)

    async def computed(self, compute: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `compute` gives when it is its turn; called within a `place`."""
        async with self._turns:
            return await compute()

    async def in_time(self, answer: Awaitable[Answer]) -> Answer:
        """What an awaitable gives within the deadline.

        Raises:
            Late: if it does not; it is cancelled.
        """
        try:
            return await asyncio.wait_for(answer, self.deadline)
        except asyncio.TimeoutError:
            REFUSED.labels("late").inc()
            raise Late(
                f"It was not answered within {self.deadline:g} seconds, the server's --deadline."
            ) from None
