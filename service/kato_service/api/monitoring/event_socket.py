"""``/ws/events``: what happens to the sessions that a caller may know of (http-api.md §4)."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from kato_service.access.scopes import Caller, Scope
from kato_service.api import errors
from kato_service.api.channel import Channel, accept, until_closed
from kato_service.api.intake.calls import Call, call_of
from kato_service.api.intake.strict_route import begin
from kato_service.api.shapes import rendering
from kato_service.domain.identity import processor_id_of
from kato_service.errors import InvalidInputError, KatoError
from kato_service.findings import Finding
from kato_service.monitoring.feed import CREATED, DELETED, Event, Follower

log = structlog.get_logger()
PING, PONG = b"ping", "pong"
EXPLICIT = "explicit_delete"
"""Why sessions are destroyed that the feed tells of; those that expire are not in it."""


async def events(websocket: WebSocket) -> None:
    """Tell a client of events until it goes away or the service stops."""
    begin(websocket, websocket.scope["route"].path)
    try:
        call = call_of(websocket)
        selection = _Selection(call, await _user(call))
        selection.require(call.caller)
        held = websocket.state.admission.subscription(call.holder)
        with held, call.service.feed.follower(selection.holds) as follower:
            await accept(websocket)
            with until_closed():
                await _Feed(websocket, selection, follower).run()
    except KatoError as error:
        await errors.denied(error, websocket.scope, websocket.receive, websocket.send)


async def _user(call: Call) -> str | None:
    """The user that the request names; None: nobody. Raises SessionNotFoundError."""
    if call.identity.session_id is None:
        return call.identity.user_id
    return (await call.load(call.identity.session_id)).user_id


class _Selection:
    """Which events a socket gets: those of one user, or, for admins that name none, all."""

    def __init__(self, call: Call, user_id: str | None) -> None:
        """What *call* asks for, which names *user_id*."""
        self._identity = call.identity
        self._instance = call.service.settings.processor_id
        self._named = user_id
        self._processor_id: str | None = None
        """Of the user; None: all."""

    def require(self, caller: Caller) -> None:
        """Look at what *caller* may do now.

        Raises:
            ForbiddenError: It may not read, or not act as the user that the socket named.
            InvalidInputError: The socket named another knowledge base than that of the user.
        """
        caller.require(Scope.READ)
        user, base = caller.acting_as(self._named), self._identity.base
        if caller.is_admin and user is None:
            self._processor_id = base.value if base else None
            return
        self._identity.require_base(user)
        self._processor_id = processor_id_of(self._instance, user)

    def holds(self, event: Event) -> bool:
        return self._processor_id in (None, event.processor_id)


class _Feed:
    """One open socket: sends events one after the other, and answers pings in between."""

    def __init__(self, websocket: WebSocket, selection: _Selection, follower: Follower) -> None:
        self._websocket = websocket
        self._service = call_of(websocket).service
        self._selection = selection
        self._follower = follower
        self._channel = Channel(websocket)

    async def run(self) -> None:
        """Until the client goes away or the service stops; raises what `converse` raises."""
        await self._channel.send(self._snapshot())
        pushing = asyncio.create_task(self._pushed())
        try:
            await self._channel.converse(self._turn)
        finally:
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)

    async def _pushed(self) -> None:
        try:
            while True:
                await self._push(await self._follower.next())
        except (TimeoutError, WebSocketDisconnect) as failure:
            self._channel.fail(failure)
        except Exception:  # the outermost boundary of a feed
            log.exception("feed crashed")
            await self._channel.crash()

    async def _push(self, event: Event) -> None:
        """Send *event*, if the caller may still have it.

        Raises:
            WebSocketDisconnect: The caller may not; its socket is closed.
        """
        try:
            call = await self._channel.called()
            self._selection.require(call.caller)
        except KatoError as error:
            await self._channel.send(self._channel.refused(error))
            await self._channel.end("this socket may not receive events any more")
            return
        if self._follower.missed:
            await self._channel.send(self._snapshot())
        if self._selection.holds(event):
            await self._channel.send(_shown(event, call.caller))

    def _snapshot(self) -> dict[str, Any]:
        """The first frame, and the one that stands for events that were skipped."""
        missed, self._follower.missed = self._follower.missed, 0
        data = {
            "active_sessions": self._service.active_sessions,
            "system_status": self._service.status,
            "missed_events": missed,
        }
        return _frame("state.snapshot", time.time(), data)

    async def _turn(self, raw: bytes) -> None:
        call = self._channel.call(call_of(self._websocket).caller)
        try:
            with self._channel.admission.body(call.holder) as counted:
                counted.received(len(raw))
                async with self._channel.admission.request(call.holder):
                    caller = await self._websocket.app.state.gate.admit_frame(self._websocket.scope)
                    self._selection.require(caller)
                    if raw.strip() != PING:
                        raise InvalidInputError((Finding(("frame",), "must be the text ping"),))
        except KatoError as error:
            await self._channel.send(self._channel.refused(error))
            return
        await self._channel.send_text(PONG)


def _shown(event: Event, caller: Caller) -> dict[str, Any]:
    """The frame of an event; ids of sessions are masked as in lists."""
    session_id = event.session_id if caller.is_known else rendering.masked(event.session_id)
    data = {"session_id": session_id, **_data(event)}
    return _frame(event.kind, event.at, data)


def _data(event: Event) -> Mapping[str, Any]:
    at = rendering.timestamp(event.at)
    if event.kind == CREATED:
        return {"node_id": event.more["user_id"], "created_at": at}
    if event.kind == DELETED:
        return {"node_id": event.more["user_id"], "destroyed_at": at, "reason": EXPLICIT}
    return {
        "processor_id": event.processor_id,
        "pattern_name": rendering.spelled(event.more["pattern"]),
        "patterns_learned": event.more["count"],
        "learned_at": at,
    }


def _frame(kind: str, at: float, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"event_type": kind, "timestamp": rendering.timestamp(at), "data": data}
