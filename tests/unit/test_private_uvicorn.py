"""The parts of uvicorn's protocols and server that the server of the service builds on.

uvicorn's manual does not document their modules.
"""

import asyncio
import inspect
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from types import FrameType
from typing import Any

import pytest
import uvicorn
from private_parts import names_of, parameters
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets import http11

from kato_service.server.answer_reading import AnswerReading
from kato_service.server.http_protocol import BoundedHttpProtocol
from kato_service.server.open_connections import CountedConnection
from kato_service.server.paced_reading import PacedReading
from kato_service.server.server import KatoServer
from kato_service.server.websocket_protocol import BoundedWebSocketProtocol

HTTP = "kato_service/server/http_protocol.py"
WEBSOCKET = "kato_service/server/websocket_protocol.py"
READING = "kato_service/server/answer_reading.py"
COUNTING = "kato_service/server/open_connections.py"
PACE = "kato_service/server/paced_reading.py"
SERVER = "kato_service/server/server.py"
REPLACED_HTTP = {
    *("connection_made", "connection_lost", "send_400_response"),
    *("on_message_begin", "on_header", "on_headers_complete", "on_body", "on_response_complete"),
    *("timeout_keep_alive_handler", "handle_websocket_upgrade", "shutdown"),
}
REPLACED_SERVER = {"startup", "on_tick", "shutdown", "capture_signals", "handle_exit"}
REPLACED_COUNTING = {"connection_made", "connection_lost"}
REPLACED_READING = {"connection_lost", "pause_writing", "resume_writing"}
REPLACED_PACE = {"connection_lost", "data_received"}


def own_server() -> type[uvicorn.Server]:
    """The class as uvicorn has it: importing sse-starlette, which the MCP SDK needs, changes it."""
    spec = find_spec("uvicorn.server")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    server: type[uvicorn.Server] = module.Server
    return server


OWN_SERVER = own_server()


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def config(http: type[asyncio.Protocol] = HttpToolsProtocol) -> uvicorn.Config:
    ws = WebSocketsSansIOProtocol
    return uvicorn.Config(answer, http=http, ws=ws, lifespan="off", log_config=None)


def http_protocol(kind: type[HttpToolsProtocol] = HttpToolsProtocol) -> HttpToolsProtocol:
    return kind(config(), ServerState(), {}, asyncio.get_running_loop())


@pytest.mark.parametrize(
    ("base", "name", "taken", "user"),
    [
        (HttpToolsProtocol, "connection_made", ["transport"], HTTP),
        (HttpToolsProtocol, "connection_lost", ["exc"], HTTP),
        (HttpToolsProtocol, "data_received", ["data"], PACE),
        (HttpToolsProtocol, "on_message_begin", [], HTTP),
        (HttpToolsProtocol, "on_header", ["name", "value"], HTTP),
        (HttpToolsProtocol, "on_headers_complete", [], HTTP),
        (HttpToolsProtocol, "on_body", ["body"], HTTP),
        (HttpToolsProtocol, "on_response_complete", [], HTTP),
        (HttpToolsProtocol, "send_400_response", ["msg"], HTTP),
        (HttpToolsProtocol, "timeout_keep_alive_handler", [], HTTP),
        (HttpToolsProtocol, "handle_websocket_upgrade", [], HTTP),
        (HttpToolsProtocol, "shutdown", [], HTTP),
        (HttpToolsProtocol, "_unset_keepalive_if_required", [], HTTP),
        (HttpToolsProtocol, "pause_writing", [], READING),
        (HttpToolsProtocol, "resume_writing", [], READING),
        (FlowControl, "pause_reading", [], HTTP),
        (FlowControl, "resume_reading", [], HTTP),
        (WebSocketsSansIOProtocol, "data_received", ["data"], PACE),
        (WebSocketsSansIOProtocol, "receive", [], WEBSOCKET),
        (WebSocketsSansIOProtocol, "handle_cont", ["event"], WEBSOCKET),
        (WebSocketsSansIOProtocol, "run_asgi", [], WEBSOCKET),
        (WebSocketsSansIOProtocol, "handle_connect", ["event"], WEBSOCKET),
        (WebSocketsSansIOProtocol, "send", ["message"], WEBSOCKET),
        (WebSocketsSansIOProtocol, "shutdown", [], WEBSOCKET),
        (WebSocketsSansIOProtocol, "stop_keepalive", [], WEBSOCKET),
        (WebSocketsSansIOProtocol, "keepalive_timeout", [], WEBSOCKET),
        (WebSocketsSansIOProtocol, "send_receive_event_to_app", [], WEBSOCKET),
        (WebSocketsSansIOProtocol, "handle_parser_exception", [], WEBSOCKET),
        (WebSocketsSansIOProtocol, "connection_made", ["transport"], COUNTING),
        (WebSocketsSansIOProtocol, "connection_lost", ["exc"], READING),
        (WebSocketsSansIOProtocol, "pause_writing", [], READING),
        (WebSocketsSansIOProtocol, "resume_writing", [], READING),
        (OWN_SERVER, "startup", ["sockets"], SERVER),
        (OWN_SERVER, "on_tick", ["counter"], SERVER),
        (OWN_SERVER, "shutdown", ["sockets"], SERVER),
        (OWN_SERVER, "capture_signals", [], SERVER),
        (OWN_SERVER, "handle_exit", ["sig", "frame"], SERVER),
    ],
)
def test_a_method_that_we_replace_or_call_keeps_its_parameters(
    base: type[Any], name: str, taken: list[str], user: str
) -> None:
    method = getattr(base, name, None)
    assert method is not None, f"{base.__name__}.{name} is gone: {user} builds on it"
    assert parameters(method) == taken, f"{base.__name__}.{name} changed: {user} builds on it"


@pytest.mark.parametrize(
    ("ours", "base", "replaced", "user"),
    [
        pytest.param(BoundedHttpProtocol, HttpToolsProtocol, REPLACED_HTTP, HTTP, id="http"),
        pytest.param(
            BoundedWebSocketProtocol,
            WebSocketsSansIOProtocol,
            {
                *("run_asgi", "handle_connect", "send", "shutdown"),
                *("keepalive_timeout", "send_receive_event_to_app", "handle_cont", "receive"),
                *("pause_writing", "resume_writing", "connection_lost"),
            },
            WEBSOCKET,
            id="websocket",
        ),
        pytest.param(
            AnswerReading, HttpToolsProtocol, REPLACED_READING, READING, id="reading of http"
        ),
        pytest.param(
            *(AnswerReading, WebSocketsSansIOProtocol, REPLACED_READING, READING),
            id="reading of websockets",
        ),
        pytest.param(
            *(CountedConnection, HttpToolsProtocol, REPLACED_COUNTING, COUNTING),
            id="counting of http",
        ),
        pytest.param(
            *(CountedConnection, WebSocketsSansIOProtocol, REPLACED_COUNTING, COUNTING),
            id="counting of websockets",
        ),
        pytest.param(PacedReading, HttpToolsProtocol, REPLACED_PACE, PACE, id="pace of http"),
        pytest.param(
            *(PacedReading, WebSocketsSansIOProtocol, REPLACED_PACE, PACE), id="pace of websockets"
        ),
        pytest.param(KatoServer, uvicorn.Server, REPLACED_SERVER, SERVER, id="server"),
    ],
)
def test_no_name_of_our_classes_hides_one_of_uvicorn_by_accident(
    ours: type[Any], base: type[Any], replaced: set[str], user: str
) -> None:
    hidden = {name for name in names_of(ours) if hasattr(base, name)}
    assert hidden == replaced, f"{base.__name__} changed: {user} builds on it"


async def test_the_http_protocol_has_the_attributes_that_we_read() -> None:
    protocol = http_protocol()
    sockets = WebSocketsSansIOProtocol(config(), ServerState(), {}, asyncio.get_running_loop())
    for name in ("read_paused", "writable", "frames", "close_sent", "conn"):
        assert name in vars(sockets), f"{name} is gone: {WEBSOCKET} builds on it"
    for name in ("loop", "transport", "flow", "cycle", "connections", "parser"):
        assert name in vars(protocol), f"{name} is gone: {HTTP} and {READING} build on it"
    assert protocol.cycle is None, f"there is a cycle before a request: {HTTP} builds on it"
    assert len(protocol.pipeline) == 0, f"the pipeline is not empty: {HTTP} builds on it"


async def test_uvicorn_has_none_of_the_attributes_that_our_http_protocol_adds() -> None:
    own = vars(http_protocol(BoundedHttpProtocol)).keys() - vars(http_protocol()).keys()
    assert own == {
        *("_in_head", "_heads", "_head_bytes", "_head_timer", "_bare_bytes"),
        *("_had_body", "_refusal", "_stopping", "_is_over"),
    }, f"{HTTP} adds them"


def test_a_cycle_has_the_progress_of_request_and_response() -> None:
    source = inspect.getsource(RequestResponseCycle.__init__)
    for name in ("body", "more_body", "response_started", "response_complete", "keep_alive"):
        assert f"self.{name} =" in source, f"cycle.{name} is gone: {HTTP} builds on it"


def recording(called: list[str]) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, recording the calls of methods that ours replaces."""

    def noted(name: str) -> Callable[..., Any]:
        def method(self: HttpToolsProtocol, *arguments: Any) -> Any:
            called.append(name)
            return getattr(HttpToolsProtocol, name)(self, *arguments)

        return method

    names = REPLACED_HTTP | REPLACED_PACE
    return type("Recording", (HttpToolsProtocol,), {name: noted(name) for name in names})


@contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener, listener.getsockname()[1]


async def answered(kind: type[HttpToolsProtocol], request: bytes) -> bytes:
    """uvicorn's answer with this protocol, up to the end of the connection."""
    with listening() as (listener, port):
        server = uvicorn.Server(config(kind))
        task = asyncio.create_task(server._serve([listener]))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        received = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        server.should_exit = True
        await task
    return received


async def test_the_callbacks_of_a_request_keep_their_order() -> None:
    called: list[str] = []
    request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert (await answered(recording(called), request)).startswith(b"HTTP/1.1 204")
    assert called == [
        *("connection_made", "data_received", "on_message_begin", "on_header", "on_header"),
        *("on_headers_complete", "on_response_complete", "connection_lost"),
    ], f"the order changed: {HTTP} builds on it"


async def test_a_malformed_request_is_refused_by_the_method_that_we_replace() -> None:
    called: list[str] = []
    await answered(recording(called), b"no request\r\n\r\n")
    assert called.count("send_400_response") == 1, f"it is refused differently: {HTTP}"


async def test_the_websocket_protocol_has_the_attributes_that_we_read() -> None:
    loop = asyncio.get_running_loop()
    protocol = WebSocketsSansIOProtocol(config(), ServerState(), {}, loop)
    for name in ("loop", "transport", "connections", "frames", "handshake_complete"):
        assert name in vars(protocol), f"{name} is gone: {WEBSOCKET} and {READING} build on it"
    for name in ("close_sent", "close_timeout", "handshake_initiated"):
        assert name in vars(protocol), f"{name} is gone: {WEBSOCKET} builds on it"
    assert protocol.curr_msg_data_type in ("text", "bytes"), f"{WEBSOCKET} reads it"
    assert parameters(protocol.conn.send_close)[0] == "code", f"{WEBSOCKET} calls it"
    assert protocol.conn.handshake_exc is None, f"{WEBSOCKET} reads it"
    read_line = inspect.getsource(http11.parse_line)
    assert "read_line(MAX_LINE_LENGTH" in read_line, f"{WEBSOCKET} sets this limit"


def test_text_that_is_not_utf_8_is_handled_as_our_copy_does() -> None:
    source = inspect.getsource(WebSocketsSansIOProtocol.send_receive_event_to_app)
    for part in ("UnicodeDecodeError", "send_close(1007)", "self.handle_parser_exception()"):
        assert part in source, f"uvicorn does not call {part}: {WEBSOCKET} repeats what it did"


class RecordingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.called: list[str] = []

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        self.called.append("signals captured")
        yield
        self.called.append("signals released")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.called.append("startup")
        self.handle_exit(15, None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.called.append("exit")


async def test_the_server_starts_and_stops_while_it_handles_signals() -> None:
    with listening() as (listener, _):
        server = RecordingServer(config())
        await asyncio.wait_for(server.serve([listener]), 20)
    expected = ["signals captured", "startup", "exit", "signals released"]
    assert (server.called, server.should_exit) == (expected, True), f"{SERVER} builds on it"
