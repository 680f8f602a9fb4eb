"""The tools of agents, called through the official SDK's own client."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from kato_client import AsyncKato
from kato_client.agents.conversations import Conversations
from kato_client.agents.tools import server

TOOLS = {"observe", "learn", "predict", "explain", "forget"}


@pytest.fixture
def user() -> str:
    return uuid4().hex


async def call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    found = result.structured_content
    assert found is not None
    return found


async def talk(client: Client) -> None:
    """Teach a sequence, ask for its continuation and for the reason."""
    observed = await call(client, "observe", events=["home", "search", ["item", "red"]])
    assert observed == {"observed": [["home"], ["search"], ["item", "red"]]}
    assert (await call(client, "learn"))["status"] == "learned"
    assert await call(client, "observe", events=["home", "search"], conversation="two")
    for given in ({"conversation": "two"}, {"events": ["home", "search"]}):
        found = await call(client, "predict", **given)
        assert found["next"] == [{"event": ["item", "red"], "weight": 1.0}]
        assert found["patterns"][0]["present"] == [["home"], ["search"]]


async def test_an_agent_observes_learns_predicts_explains_and_forgets(
    service_url: str, user: str
) -> None:
    async with Client(server(AsyncKato(service_url), user)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        await talk(client)
        explained = await call(client, "explain", events=["home", "search"])
        assert explained["patterns"][0]["explanation"]["blocks"][0]["size"] == 2
        assert explained["explanation"]["kept"] == 1
        dropped = await call(client, "forget", conversation="two")
        assert dropped == {"observed": []}
        assert await call(client, "forget", symbols=["red"], dry_run=True) == {"would_delete": 1}
        assert await call(client, "forget", symbols=["red"]) == {"deleted": 1}
        nothing = await call(client, "explain", events=["home", "search"])
        assert nothing["explanation"]["reasons"][0]["code"] == "empty_knowledge_base"
    async with AsyncKato(service_url) as kato:
        assert [one async for one in kato.sessions(user=user)] == []


async def test_a_failure_tells_the_agent_what_to_do(service_url: str, user: str) -> None:
    async with Client(server(AsyncKato(service_url), user)) as client:
        refused = await client.call_tool("learn", {})
        assert refused.is_error
        assert "observe something before you learn" in str(refused.content)
    away = server(AsyncKato("http://127.0.0.1:1", timeout_s=0.2), user)
    async with Client(away) as client:
        refused = await client.call_tool("observe", {"events": ["a"]})
        assert "check the address" in str(refused.content)


async def test_conversations_are_bounded_and_expired_ones_start_over(
    service_url: str, user: str
) -> None:
    async with AsyncKato(service_url) as kato:
        conversations = Conversations(kato, user, most=2)
        for name in ("one", "two", "one", "three"):
            await conversations.on(name, lambda session: session.observe("a"))
        assert await conversations.on("one", lambda session: session.stm()) == [["a"], ["a"]]
        sessions = [info.session_id async for info in kato.sessions(user=user)]
        assert len(sessions) == 2
        await conversations.on("one", lambda session: session.delete())
        assert await conversations.on("one", lambda session: session.stm()) == []
        await conversations.end()
        assert [info async for info in kato.sessions(user=user)] == []


async def test_agents_are_served_over_standard_input_and_output(
    service_url: str, user: str, tmp_path: Path
) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "kato_client.command", "mcp", "--user", user],
        env={"KATO_URL": service_url, "HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    async with Client(parameters) as client:
        await talk(client)


async def test_agents_are_served_over_http(service_url: str, user: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ("-m", "kato_client.command", "mcp", "--user", user, "--http", "--port", str(port))
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env={"KATO_URL": service_url, "HOME": str(tmp_path)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        async with asyncio.timeout(60):
            while not await _listens(port):
                await asyncio.sleep(0.1)
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            await talk(client)
    finally:
        process.terminate()
        await process.wait()
    assert f"serving {user} at {service_url}" in (tmp_path / "log").read_text()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
