"""What agents can do: observe, learn, predict, explain, forget. Docstrings are written for them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from kato_client import AsyncKato, KatoError, Prediction, Predictions, __version__
from kato_client.agents.conversations import Conversations

P = ParamSpec("P")
T = TypeVar("T")
Events = list[str | list[str]]
INSTRUCTIONS = """KATO remembers sequences of events and predicts how they continue, exactly and
explainably. An event is a symbol (any text), or a list of symbols that belong together. Observe
what happens, event by event; learn when something is complete; predict to see what similar
beginnings led to. Use the same short symbols for the same things. What is learned stays, and all
conversations share it; what is observed belongs to one conversation."""


def _told(tool: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """*tool*, whose failures say to the agent what happened and what to do."""

    @wraps(tool)
    async def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await tool(*args, **kwargs)
        except KatoError as error:
            raise ToolError(str(error)) from error

    return told


class Tools:
    """The tools, on the knowledge of one user."""

    def __init__(self, kato: AsyncKato, user: str) -> None:
        self._user = kato.user(user)
        self._conversations = Conversations(kato, user)

    async def end(self) -> None:
        await self._conversations.end()

    async def observe(self, events: Events, conversation: str = "default") -> dict[str, Any]:
        """Add events, oldest first, to what a conversation has observed so far. This learns
        nothing yet. Returns everything that the conversation has observed and not learned."""
        await self._conversations.on(conversation, lambda one: one.observe_sequence(events))
        return {"observed": await self._conversations.on(conversation, lambda one: one.stm())}

    async def learn(self, conversation: str = "default") -> dict[str, Any]:
        """Learn what a conversation has observed as one pattern, and start over with nothing
        observed. Needs at least two symbols. Learning the same again raises its frequency."""
        learned = await self._conversations.on(conversation, lambda one: one.learn())
        return {
            "status": learned.status,
            "pattern_name": learned.pattern_name,
            "frequency": learned.frequency,
        }

    async def predict(
        self, events: Events | None = None, conversation: str = "default", limit: int = 5
    ) -> dict[str, Any]:
        """Tell what comes next, and which learned patterns say so. Without events, after what the
        conversation has observed; with events, after these, and nothing is observed. The weights of
        all next events and of the end add up to 1."""
        if events is None:
            found = await self._conversations.on(conversation, lambda one: one.next(limit=limit))
            predictions = await self._predictions(None, conversation, limit, explain=False)
        else:
            found = await self._user.next(events, limit=limit)
            predictions = await self._predictions(events, conversation, limit, explain=False)
        following = [{"event": one.event, "weight": one.weight} for one in found.events]
        patterns = [_pattern(one) for one in predictions]
        return {"next": following, "ends_here": found.stop.weight, "patterns": patterns}

    async def explain(
        self, events: Events | None = None, conversation: str = "default", limit: int = 5
    ) -> dict[str, Any]:
        """Tell why a prediction is what it is: which symbols of which pattern matched where, how
        its score adds up, what was left out, and why there is nothing if there is nothing. Takes
        the same as predict."""
        predictions = await self._predictions(events, conversation, limit, explain=True)
        patterns = [{**_pattern(one), "explanation": one.explanation} for one in predictions]
        whole = predictions.explanation
        return {"patterns": patterns, "explanation": {} if whole is None else dict(whole.raw)}

    async def forget(
        self,
        symbols: list[str] | None = None,
        conversation: str = "default",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Forget. With symbols: delete every learned pattern that holds all of them, for all
        conversations and for good; with dry_run, only count them. Without symbols: drop what this
        conversation has observed and not learned; patterns stay."""
        if symbols:
            count = await self._user.delete_patterns(symbols=symbols, dry_run=dry_run)
            return {"would_delete" if dry_run else "deleted": count}
        if not dry_run:
            await self._conversations.on(conversation, lambda one: one.clear_stm())
        return {"observed": await self._conversations.on(conversation, lambda one: one.stm())}

    async def _predictions(
        self, events: Events | None, conversation: str, limit: int, *, explain: bool
    ) -> Predictions:
        if events is not None:
            return await self._user.predict(events, limit=limit, explain=explain)
        return await self._conversations.on(
            conversation, lambda one: one.predictions(limit=limit, explain=explain)
        )


def _pattern(one: Prediction) -> dict[str, Any]:
    return {
        name: getattr(one, name)
        for name in ("past", "present", "future", "missing", "extras", "similarity", "frequency")
    } | {"pattern_name": one.pattern_name}


def server(kato: AsyncKato, user: str) -> MCPServer[Any]:
    """The server with its tools; sessions are deleted when it ends."""
    tools = Tools(kato, user)

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[None]:
        async with kato:
            yield
            await tools.end()

    made: MCPServer[Any] = MCPServer(
        "kato",
        title="KATO",
        instructions=INSTRUCTIONS,
        version=__version__,
        lifespan=lifespan,
        log_level="WARNING",
    )
    reading = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    adding = ToolAnnotations(destructive_hint=False, open_world_hint=False)
    removing = ToolAnnotations(destructive_hint=True, open_world_hint=False)
    made.add_tool(_told(tools.observe), annotations=adding)
    made.add_tool(_told(tools.learn), annotations=adding)
    made.add_tool(_told(tools.predict), annotations=reading)
    made.add_tool(_told(tools.explain), annotations=reading)
    made.add_tool(_told(tools.forget), annotations=removing)
    return made
