"""Which session a request on the older paths selects (http-api.md §3)."""

from dataclasses import dataclass

from kato_service.api.intake.calls import Call
from kato_service.api.shapes import rendering
from kato_service.sessions.state import SessionState


@dataclass(slots=True)
class Address:
    """The session that a request or a WebSocket selects."""

    session_id: str | None
    """None: the default session of ``user_id``, as long as its id is not needed."""
    user_id: str | None = None
    """None: the default session is the instance's own."""

    @classmethod
    def of(cls, call: Call) -> "Address":
        """The session that the request of *call* names, else the default one of whom it names."""
        identity = call.identity
        return cls(identity.session_id, identity.user_id)

    async def id(self, call: Call) -> str:
        """The id of the session, for a change; a default session is created if it is missing.

        To be called once the request is known to be valid: until then nothing may be created.

        Raises:
            SessionLimitExceededError: It would have to be created, and a limit is reached.
            ForbiddenError: The caller may not act as its user.
        """
        if self.session_id is None:
            self.session_id = await call.default_id(self.user_id)
        return self.session_id

    async def state(self, call: Call) -> SessionState:
        """The session, for a read; a default session that is missing is blank and stays missing.

        Raises:
            SessionNotFoundError: There is no session of the given id.
            ForbiddenError: The caller may not act as the user of a default session.
        """
        if self.session_id is not None:
            return await call.load(self.session_id)
        state = await call.default(self.user_id)
        self.session_id = rendering.session_id(state)
        return state

    async def missing(self, call: Call) -> SessionState | None:
        """The blank state of a default session that does not exist; None: it exists."""
        if self.session_id is None:
            state = await self.state(call)
            if not state.session_id:
                return state
        return None


async def shown(call: Call) -> SessionState:
    """The session that the request of *call* selects, for a read; raises as `Address.state`."""
    return await Address.of(call).state(call)
