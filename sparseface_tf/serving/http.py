"""Requests over HTTP: admitted, read, and answered in time. An ASGI middleware."""

import asyncio
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sparseface_tf.serving.admission import REFUSED, RETRY_AFTER, Admission, Busy, Late

# Requests for the state of the server, and of no size.
_FREE = ("GET", "HEAD", "OPTIONS")


class _TooLarge(Exception):
    pass


class AdmittedRequests:
    """Lets an `Admission` decide on every request that has a body.

    A body is read before it is the request's turn, and an answer is sent after it: clients that
    are slow keep nobody from computing.

    Args:
        app: what answers.
        admission: see there.
        max_request_bytes: most bytes of a body.
    """

    def __init__(self, app: ASGIApp, admission: Admission, max_request_bytes: int) -> None:
        self.app, self.admission = app, admission
        self.max_request_bytes = max_request_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _FREE:
            await self.app(scope, receive, send)
            return
        progress = _Progress(receive, send)
        try:
            with self.admission.place():
                await self.admission.in_time(self._answered(scope, progress))
        except Busy as error:
            await _told(error, 503, {"retry-after": str(RETRY_AFTER)})(scope, receive, send)
        except _TooLarge as error:
            REFUSED.labels("large").inc()
            await _told(error, 413)(scope, receive, send)
        except Late as error:
            # An answer that has begun cannot be taken back: its connection ends.
            if not progress.answering:
                await _told(error, 504 if progress.arrived else 408)(scope, receive, send)

    async def _answered(self, scope, progress):
        body = await self._body(scope, progress)
        if body is not None:
            answer = await self.admission.computed(lambda: self._computed(scope, body))
            await progress.answer(answer)

    async def _body(self, scope, progress):
        """The body, bytes; None if the client has gone."""
        # What has another length than stated is refused by the server of HTTP itself.
        stated = int(dict(scope["headers"]).get(b"content-length", 0))
        parts, size = [], 0 if stated <= self.max_request_bytes else stated
        while size <= self.max_request_bytes:
            message = await progress.receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size <= self.max_request_bytes and not message.get("more_body", False):
                progress.arrived = True
                return b"".join(parts)
        raise _TooLarge(
            f"The request has more than {self.max_request_bytes:,} bytes, the server's "
            "--max_request_bytes."
        )

    async def _computed(self, scope, body):
        """The messages of the answer to a request, a list."""
        messages: list[Message] = []
        left = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            # Nothing more is to come: who waits for the client's end waits for ever.
            return left.pop() if left else await asyncio.Event().wait()

        async def send(message):
            messages.append(message)

        await self.app(scope, receive, send)
        return messages


class _Progress:
    """How far a request has come."""

    def __init__(self, receive, send):
        self.receive, self.send = receive, send
        self.arrived = self.answering = False

    async def answer(self, messages):
        self.answering = True
        for message in messages:
            await self.send(message)


def _told(error: Exception, status: int, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status, headers)
