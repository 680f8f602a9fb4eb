"""Subscriptions of a WebSocket: predictions after each change of its session (decision 0042).

Whatever changes meanwhile, a socket computes and sends one of them at a time, from the state that
is the newest then. So a client that reads slowly makes states be skipped, and holds no memory.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import structlog
from starlette.websockets import WebSocketDisconnect

from kato_service.access.scopes import Scope
from kato_service.api.answers.asking import asked
from kato_service.api.answers.predicting import predicted, predictions_of
from kato_service.api.channel import Channel
from kato_service.api.frames import FrameId
from kato_service.api.intake.calls import Call
from kato_service.api.session_address import Address
from kato_service.api.shapes.requests import PredictionOptions
from kato_service.backoff import Backoff
from kato_service.errors import (
    KatoError,
    LimitExceededError,
    SessionNotFoundError,
)
from kato_service.sessions.state import SessionState
from kato_service.sessions.store import UNSTORED
from kato_service.sessions.watching import Watch

log = structlog.get_logger()

MAX_OF_SOCKET = 16
"""Subscriptions of one socket: they differ by their options only."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Before predictions that failed are tried again."""
Version = tuple[str, str, int]


@dataclass(slots=True)
class Subscription:
    number: int
    frame_id: FrameId | None
    """The id of the frame that asked for it; None: it had none."""
    options: PredictionOptions
    address: Address
    watch: Watch
    held: ExitStack
    """Its place and its watch, until it ends."""
    seen: Version | None = None
    """Of the session, when predictions were last sent."""
    task: asyncio.Task[None] | None = None
    """None: its confirmation is not sent yet."""
    backoff: Backoff | None = None
    """While the predictions of the newest state keep failing."""

    async def newest(self, call: Call) -> SessionState:
        """The session; raises what `Address.state` raises."""
        state = await replace(self.address).state(call)
        # A default session may have been created by now, or deleted: then it is looked at again.
        self.watch.move(state.session_id)
        return state

    def labelled(self, content: Mapping[str, Any]) -> dict[str, Any]:
        labels: dict[str, Any] = {"subscription": self.number}
        if self.frame_id is not None:
            labels["id"] = self.frame_id
        return {**content, **labels}


class Subscriptions:
    """Those of one socket."""

    def __init__(self, channel: Channel, address: Address) -> None:
        self._channel = channel
        self._address = address
        self._held: dict[int, Subscription] = {}
        self._numbered = 0
        self._turn = asyncio.Lock()
        """Held while predictions are computed and sent: what waits has computed nothing yet."""

    async def subscribe(
        self, call: Call, options: PredictionOptions, frame_id: FrameId | None
    ) -> dict[str, Any]:
        """The answer to ``subscribe``: the predictions now, and the number of the subscription.

        Raises:
            LimitExceededError: The socket has as many as it may.
            OverloadedError: The process has, or the caller.
        """
        if len(self._held) >= MAX_OF_SOCKET:
            raise LimitExceededError.at(
                reason=f"is refused: this socket has {MAX_OF_SOCKET} subscriptions, as many as it"
                " may; unsubscribe one, or open another socket"
            )
        with ExitStack() as held:
            held.enter_context(self._channel.admission.subscription(call.holder))
            watches = call.service.sessions.watches
            watch = held.enter_context(watches.watch(self._address.session_id or UNSTORED))
            number = self._numbered + 1
            new = Subscription(number, frame_id, options, self._address, watch, ExitStack())
            content = await _content(call, new)
            assert content is not None  # nothing was seen yet
            self._numbered = number
            new.held = held.pop_all()
            self._held[number] = new
        return {"subscription": number} | content

    def unsubscribe(self, number: int | None) -> list[int]:
        """End this subscription, or all; the numbers of those that ended."""
        numbers = list(self._held) if number is None else [number]
        ended = [self._held.pop(one) for one in numbers if one in self._held]
        for one in ended:
            _end(one)
        return [one.number for one in ended]

    def start(self) -> None:
        """Follow the subscriptions whose confirmation has been sent by now."""
        for one in self._held.values():
            if one.task is None:
                one.task = asyncio.create_task(self._followed(one))

    async def close(self) -> None:
        tasks = [one.task for one in self._held.values() if one.task is not None]
        self.unsubscribe(None)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _followed(self, one: Subscription) -> None:
        """Send predictions until the session ends, or the socket."""
        try:
            try:
                await self._follow(one)
            except SessionNotFoundError as ended:
                self._held.pop(one.number, None)
                one.held.close()
                await self._channel.send(one.labelled(_session_ended(one, ended)))
        except (TimeoutError, WebSocketDisconnect) as failure:
            self._channel.fail(failure)
        except Exception:  # the outermost boundary of a subscription
            log.exception("subscription crashed")
            await self._channel.crash()

    async def _follow(self, one: Subscription) -> None:
        while True:
            if one.backoff is not None:
                await one.backoff.pause()
            else:
                await one.watch.changed()
            async with self._turn:
                content = await self._pushed(one)
                if content is not None:
                    await self._channel.send(one.labelled(content))

    async def _pushed(self, one: Subscription) -> dict[str, Any] | None:
        """What to send now; None: nothing new. Raises SessionNotFoundError."""
        admission = self._channel.admission
        try:
            call = await self._channel.called()
            async with admission.request(call.holder):
                call.caller.require(Scope.READ)
                payload = await _content(call, one)
        except SessionNotFoundError:
            raise
        except KatoError as error:
            return self._failed(one, error)
        one.backoff = None
        return None if payload is None else {"type": "predictions", "payload": payload}

    def _failed(self, one: Subscription, error: KatoError) -> dict[str, Any] | None:
        """The error, once; while a retry may help, the same state is tried again."""
        again = one.backoff is not None
        if not error.retryable:
            one.backoff = None
        elif not again:
            one.backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        return None if again and error.retryable else self._channel.refused(error)


async def _content(call: Call, one: Subscription) -> dict[str, Any] | None:
    """The predictions of the newest state; None: they were sent already."""
    options = one.options
    chosen = asked(call, options, "body")
    state = await one.newest(call)
    version = (state.session_id, state.incarnation if state.session_id else "", state.access_count)
    if version == one.seen:
        return None
    one.seen = version
    try:
        result = await predicted(call, state, chosen)
    except KatoError as error:
        if error.retryable:
            one.seen = None
        raise
    return await predictions_of(call, state, result, chosen)


def _session_ended(one: Subscription, ended: SessionNotFoundError) -> dict[str, Any]:
    message = "the session was deleted or has expired; nothing more follows"
    payload = {"session_id": one.address.session_id, "code": ended.code, "message": message}
    return {"type": "session_ended", "payload": payload}


def _end(one: Subscription) -> None:
    one.held.close()
    if one.task is not None:
        one.task.cancel()
