"""What every request passes first: id, deadline, origin, admission, caller, body, metrics.

The order is that of docs/design/serving.md §3.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kato_service.api import errors
from kato_service.api.intake import bodies
from kato_service.api.intake.admission import Admission, Body, Place
from kato_service.api.intake.cross_origin import CrossOrigin
from kato_service.api.intake.gate import ALWAYS_ANSWERED, Gate, rate_limit_headers
from kato_service.api.intake.header_values import values_of
from kato_service.api.intake.identity import SESSIONS, Claims
from kato_service.api.intake.prefix import Prefix
from kato_service.domain.deadline import Deadline
from kato_service.domain.shares import Holder
from kato_service.errors import (
    BodyTimeoutError,
    KatoError,
    OutcomeUnknownError,
)
from kato_service.settings.settings import Settings

log = structlog.get_logger()

_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class SessionMiddleware:
    """The outermost boundary of the application: every exception that rises to it is answered."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        gate: Gate,
        prefix: Prefix | None = None,
        streamed: re.Pattern[str] | None = None,
    ) -> None:
        """*streamed*: paths that take bodies in as streams of lines."""
        self._app = app
        self._settings = settings
        self._prefix = prefix or Prefix(settings)
        self._pages = CrossOrigin(settings)
        self._gate = gate
        self._streamed = streamed
        self._admission = Admission(
            max_requests=settings.max_requests_in_flight, max_body_bytes=settings.max_body_bytes
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._begin(scope)
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send)
            return
        await self._answer(scope, receive, send)

    def _begin(self, scope: Scope) -> None:
        request_id = errors.request_id_from(scope["headers"])
        deadline = Deadline.after(self._settings.request_timeout_s)
        state = {"request_id": request_id, "deadline": deadline, "admission": self._admission}
        scope["state"] = {**scope.get("state", {}), **state}
        self._prefix.take(scope)
        # A pipelined request starts in a copy of the context of the one before it.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=request_id, method=scope.get("method", "WEBSOCKET")
        )

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._settings.access_log:
            send = _logging_upgrade(send)
        with ExitStack() as held:
            try:
                self._pages.check(scope)
                await self._gate.admit(scope)
                held.enter_context(self._admission.socket(scope["state"]["holder"]))
            except KatoError as error:
                await errors.denied(error, scope, receive, send)
                return
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send, self._pages, logged=self._settings.access_log)
        try:
            self._pages.check(scope)
            if preflight := self._pages.preflight(scope):
                await preflight(scope, receive, answer.send)
                return
            # Probes and metrics have to be answered above all when the process is overloaded.
            spared = ALWAYS_ANSWERED.fullmatch(scope["path"])
            address = self._gate.address(scope)
            taken = nullcontext() if spared else self._admission.request(address)
            async with taken as place:
                await self._serve(scope, receive, answer.send, place)
        except KatoError as error:
            await errors.answered(error, scope)(scope, receive, answer.send)
        except asyncio.CancelledError:
            # Only the server cancels requests, when the shutdown grace ends, and would answer 500.
            # A change that started continues; see SessionManager.change.
            if not answer.started:
                await errors.answered(_cut_off(), scope)(scope, receive, answer.send)
        except Exception:  # the outermost boundary; nothing of the exception reaches the client
            log.exception("request crashed")
            if not answer.started:
                await errors.crashed(scope)(scope, receive, answer.send)
        finally:
            answer.record()

    async def _serve(self, scope: Scope, receive: Receive, send: Send, place: Place | None) -> None:
        await self._gate.admit(scope)
        holder: Holder = scope["state"]["holder"]
        if place is not None:
            place.count_for(holder)
        if scope["method"] not in _WITH_BODY and (place is None or not bodies.is_declared(scope)):
            await self._app(scope, receive, send)
            return
        if self._streams(scope):
            with self._admission.stream(holder):
                await self._app(scope, receive, send)
            return
        # The body is read here, before any route: what is counted is what is held in memory.
        with self._admission.body(holder) as counted:
            body = await self._body(scope, receive, counted)
            if body is None:
                return
            if body:
                bodies.require_json(scope, or_lines=self._takes_lines(scope))
                scope["state"]["has_body"] = True
            await self._app(scope, bodies.replayed(body, receive), send)

    def _streams(self, scope: Scope) -> bool:
        """Whether the body is taken in as a stream of lines."""
        return self._takes_lines(scope) and bodies.is_lines(scope)

    def _takes_lines(self, scope: Scope) -> bool:
        return self._streamed is not None and bool(self._streamed.fullmatch(scope["path"]))

    async def _body(self, scope: Scope, receive: Receive, counted: Body) -> bytes | None:
        """The whole body; None if the client went away."""
        limit = self._settings.max_body_bytes
        # A declared length is refused before anything is read; other bodies while they arrive.
        declared = values_of(scope, b"content-length")
        if declared and declared[0].isdecimal() and int(declared[0]) > limit:
            raise bodies.too_large(limit)
        deadline: Deadline = scope["state"]["deadline"]
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                return await bodies.read(scope, receive, limit, counted)
        except TimeoutError as exc:
            raise BodyTimeoutError("the body did not arrive before the deadline") from exc


class _Answer:
    """Watches an answer on its way out: adds headers, notes its status and its time."""

    def __init__(self, scope: Scope, send: Send, pages: CrossOrigin, *, logged: bool) -> None:
        self._scope = scope
        self._logged = logged
        self._send = send
        self._pages = pages
        self._began = perf_counter()
        self._status = 499  # nothing was answered: the client went away
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._status = message["status"]
            message["headers"] = [*message["headers"], *self._added()]
        await self._send(message)

    def record(self) -> None:
        route = getattr(self._scope.get("route"), "path", "unmatched")
        elapsed_s = perf_counter() - self._began
        service = getattr(self._scope["app"].state, "service", None)
        if service is not None:
            service.metrics.request(self._scope["method"], route, self._status, elapsed_s)
        write = log.info if self._logged else log.debug
        elapsed_ms = round(elapsed_s * 1000, 3)
        write("request answered", route=route, status=self._status, elapsed_ms=elapsed_ms)

    def _added(self) -> Iterator[tuple[bytes, bytes]]:
        """Headers that no operation sets itself."""
        scope = self._scope
        yield b"x-request-id", errors.request_id_of(scope).encode("latin-1")
        session_id = scope.get("path_params", {}).get("session_id") or _named_session(scope)
        if errors.HEADER_SAFE.fullmatch(session_id):
            yield b"x-session-id", session_id.encode("latin-1")
        for name, value in (*self._pages.headers(scope), *rate_limit_headers(scope)):
            yield name.lower().encode("latin-1"), value.encode("latin-1")


def _named_session(scope: Scope) -> str:
    """The session that the query, a header or the body names; '' if none, or if none may."""
    claims: Claims = scope["state"].get("claims", ())
    return next((claim.value for claim in claims if claim.kind == SESSIONS), "")


def _logging_upgrade(send: Send) -> Send:
    """*send* of a WebSocket, with a line in the log when the upgrade is answered."""

    async def logged(message: Message) -> None:
        status = {"websocket.accept": 101}.get(message["type"], message.get("status"))
        if status is not None:
            log.info("request answered", status=status)
        await send(message)

    return logged


def _cut_off() -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "the service stopped before the request was done; outcome unknown, repeating with the same"
        " unique_id is safe"
    )
