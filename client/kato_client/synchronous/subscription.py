# Generated from asynchronous/subscription.py by `make client`: change that one.
"""Predictions that arrive by themselves."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kato_client.answers import Predictions
from kato_client.errors import ConnectionFailedError, KatoError, UnauthorizedError, coded_error
from kato_client.synchronous.connection import Connection
from kato_client.synchronous.seam import sleep, socket_to


def subscribed(
    connection: Connection, path: str, payload: Mapping[str, Any]
) -> Iterator[Predictions]:
    """Predictions from the WebSocket *path*, as `Session.subscribe` promises."""
    url = "ws" + connection.url.removeprefix("http") + path
    attempts, received = connection.attempts(), 0
    last: Predictions | None = None
    while True:
        try:
            with socket_to(url, connection.headers, connection.tls) as socket:
                socket.send(json.dumps({"type": "subscribe", "id": 1, "payload": payload}))
                while (found := predictions_in(json.loads(socket.receive()))) is not ENDED:
                    received += 1
                    attempts.reached(received)
                    if isinstance(found, Predictions) and found != last:
                        last = found
                        yield found
                return
        except KatoError as error:
            pause_s = attempts.pause_s(_passing(error, connection))
            if pause_s is None:
                raise
        sleep(pause_s)


ENDED = object()


def predictions_in(frame: Mapping[str, Any]) -> object:
    """The predictions of a frame; None: it has none; ENDED: the session has ended.

    Raises:
        AnswerError: The frame is an error that does not pass by itself.
    """
    match frame["type"]:
        case "predictions" | "subscribed":
            return Predictions.of(frame["payload"])
        case "session_ended":
            return ENDED
        case "error":
            raised = coded_error(frame["error"], frame.get("retry_after_s"))
            # The service predicts again by itself, and sends that.
            if raised.retryable and "subscription" in frame:
                return None
            raise raised
    return None


def _passing(error: KatoError, connection: Connection) -> KatoError:
    """*error*, or one that passes: a token expired, and the next one may be valid."""
    if isinstance(error, UnauthorizedError) and connection.renews_credentials:
        return ConnectionFailedError("the token of the subscription expired")
    return error
