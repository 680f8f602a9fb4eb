"""Lets a request in: whose it is, and whether its caller may send one now.

What the caller may do is decided at the route (`guards`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import Scope

from kato_service.access.access_control import AccessControl
from kato_service.access.addresses import ClientAddresses, counted_together
from kato_service.access.credentials import Credential, credential_in, credential_of
from kato_service.access.rate_limits import Decision, RateLimits
from kato_service.access.scopes import ANYONE, Caller
from kato_service.domain.shares import Holder
from kato_service.errors import KatoError, RateLimitedError, UnauthorizedError
from kato_service.monitoring.metrics import Metrics

ALWAYS_ANSWERED = re.compile(r"/health(/.*)?|/v2/health|/metrics(-prom)?")
"""Paths that are never refused for too many requests: probes and monitoring need them most then."""
RATE_LIMIT_HEADERS = (
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    *("RateLimit-Policy", "RateLimit"),
)
NOBODY = Caller("anyone", "", frozenset())
"""The caller of an open path, whatever it sent."""


@dataclass(slots=True)
class Gate:
    access: AccessControl
    metrics: Metrics
    limits: RateLimits | None = None
    limited_by: Literal["key", "user", "address"] = "key"
    addresses: ClientAddresses = field(default_factory=ClientAddresses)
    open_paths: frozenset[str] = frozenset()
    """Paths that need no credentials."""

    async def admit(self, scope: Scope) -> None:
        """Note who sends a request, or opens a WebSocket; routes and operations rely on it.

        Raises:
            UnauthorizedError: Its credentials are missing or wrong.
            AuthUnavailableError: They cannot be checked now.
            RateLimitedError: Its caller has sent too many requests.
        """
        state = scope["state"]
        state["caller"], state["credential"] = NOBODY, None
        state["holder"] = self.address(scope)
        if self.access.mode == "none":
            state["caller"] = ANYONE
        elif scope["path"] not in self.open_paths:
            state["credential"] = await self._credential(scope)
            state["caller"] = await self._known(scope)
            state["holder"] = self._holder(scope)
        if self.limits is not None and not ALWAYS_ANSWERED.fullmatch(scope["path"]):
            await self._take(self.limits, scope, self._bucket(scope))

    async def admit_frame(self, scope: Scope) -> Caller:
        """The caller of a WebSocket's next frame, by what its credentials are worth now.

        Raises:
            UnauthorizedError: They were withdrawn, or have ended.
            AuthUnavailableError, RateLimitedError: As for a request.
        """
        caller = await self.still_known(scope)
        if self.limits is not None:
            await self._take(self.limits, scope, self._bucket(scope))
        return caller

    async def still_known(self, scope: Scope) -> Caller:
        """The caller of a WebSocket, as `admit_frame`; for what it did not ask for just now."""
        state = scope["state"]
        if self.access.mode != "none":
            state["caller"] = await self._known(scope)
        caller: Caller = state["caller"]
        return caller

    async def _credential(self, scope: Scope) -> Credential | None:
        found = credential_of(scope["headers"])
        if found is not None or scope["type"] != "websocket":
            return found
        try:
            return credential_in(scope["subprotocols"])
        except UnauthorizedError:
            await self._count_guess(scope)
            raise

    async def _known(self, scope: Scope) -> Caller:
        credential: Credential | None = scope["state"]["credential"]
        try:
            return await self.access.caller(credential)
        except UnauthorizedError:
            await self._count_guess(scope)
            raise

    async def _count_guess(self, scope: Scope) -> None:
        """Guessing is limited like any other use."""
        if self.limits is not None:
            await self._take(self.limits, scope, str(self.address(scope)))

    def address(self, scope: Scope) -> Holder:
        """Who a request counts for as long as nothing but its address is known."""
        state = scope["state"]
        known: Holder | None = state.get("address")
        if known is None:
            known = Holder("address", counted_together(self.addresses.of(scope)))
            state["address"] = known
        return known

    def _holder(self, scope: Scope) -> Holder:
        """Who a request counts for where one caller may hold only a part of what all share."""
        caller: Caller = scope["state"]["caller"]
        # One key that everybody has names nobody: their addresses tell them apart.
        if caller.kind == "anyone" or caller.is_shared:
            return self.address(scope)
        return Holder(caller.kind, caller.name)

    def refused(self, scope: Scope, error: KatoError) -> None:
        """Note in the audit log that the caller was not let in, or not let do something."""
        caller: Caller = scope["state"]["caller"]
        self.metrics.refused(error.code)
        self.access.audit.refused(
            caller if caller.is_known else None,
            error.code,
            error.message,
            self.addresses.of(scope),
        )

    async def take_another(self, scope: Scope) -> float:
        """Take one token more for a request that goes on and on.

        Returns:
            Seconds to wait before the next attempt; 0.0: it was taken.
        """
        if self.limits is None:
            return 0.0
        return (await self.limits.take(self._bucket(scope))).wait_s

    async def _take(self, limits: RateLimits, scope: Scope, bucket: str) -> None:
        decision = await limits.take(bucket)
        scope["state"]["rate_limit"] = decision
        if not decision.allowed:
            self.metrics.rate_limited()
            raise RateLimitedError(decision.retry_after_s)

    def _bucket(self, scope: Scope) -> str:
        """Whose tokens a request takes."""
        caller: Caller = scope["state"]["caller"]
        if self.limited_by == "address" or not caller.is_known:
            return str(self.address(scope))
        if self.limited_by == "user" and not caller.is_admin:
            return f"user {caller.user or ''}"
        return f"{caller.kind} {caller.name}"


def rate_limit_headers(scope: Scope) -> Iterator[tuple[str, str]]:
    """What an answer says about the limit of its caller; nothing while there is none."""
    decision: Decision | None = scope.get("state", {}).get("rate_limit")
    if decision is None:
        return
    rate, full_in_s = decision.rate, decision.full_in_whole_s
    yield "RateLimit-Limit", str(rate.burst)
    yield "RateLimit-Remaining", str(decision.remaining)
    yield "RateLimit-Reset", str(full_in_s)
    yield "RateLimit-Policy", f'"caller";q={rate.burst};w={rate.whole_window_s}'
    yield "RateLimit", f'"caller";r={decision.remaining};t={full_in_s}'
