"""Sends a case of raw bytes over a connection of its own, and judges everything that comes back."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fuzz.raw_requests import Case

PATIENCE_S = 40.0
"""Seconds until the service must have closed a connection that it has to close: longer than it
waits for the head of a request."""
QUIET_S = 0.3
"""Seconds without an answer after which a client whose request may be unfinished leaves."""
PIECE = 65536


class WrongAnswerError(Exception):
    """What the service answered is not what HTTP, or its manual, allows."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def checked(case: Case, host: str, port: int) -> list[Answer]:
    """The answers to *case*.

    Raises:
        WrongAnswerError: They are wrong.
    """
    data, closed, was_reset = await _exchanged(case, host, port)
    if case.ends and not closed:
        raise WrongAnswerError(f"the connection stays open; so far: {data[:500]!r}")
    answers, rest = parsed(data)
    if rest and not was_reset:
        raise WrongAnswerError(f"after {len(answers)} answers: {rest[:500]!r}")
    _judge(case, answers, was_reset=was_reset)
    return answers


async def _exchanged(case: Case, host: str, port: int) -> tuple[bytes, bool, bool]:
    """What was received; whether the service closed the connection; whether with a reset."""
    reader, writer = await asyncio.open_connection(host, port)
    received = bytearray()
    sending = asyncio.create_task(_sent(writer, case.pieces))
    give_up_at = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < give_up_at:
            try:
                piece = await asyncio.wait_for(reader.read(PIECE), QUIET_S)
            except TimeoutError:
                if sending.done() and not case.ends:
                    break
                continue
            if not piece:
                return bytes(received), True, False
            received += piece
        return bytes(received), False, False
    except ConnectionError:
        return bytes(received), True, True
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _sent(writer: asyncio.StreamWriter, pieces: tuple[bytes, ...]) -> None:
    with suppress(ConnectionError):  # a refusal may arrive, and the connection close, at any time
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)


def parsed(data: bytes) -> tuple[list[Answer], bytes]:
    """All complete answers in *data*, and the bytes after them.

    Raises:
        WrongAnswerError: It does not begin like an answer.
    """
    answers: list[Answer] = []
    while data:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            break
        status, fields = _head_of(head)
        if status == 100:
            data = rest
            continue
        length = int(fields.get("content-length", "0"))
        if len(rest) < length:
            break
        answers.append(Answer(status, fields, rest[:length]))
        data = rest[length:]
    return answers, data


def _head_of(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest.partition(" ")[0]
    if version != "HTTP/1.1" or not status.isdecimal():
        raise WrongAnswerError(f"not a status line: {first!r}")
    pairs = [line.partition(": ") for line in lines]
    if not all(found for _, found, _ in pairs) or any("\n" in line for line in lines):
        raise WrongAnswerError(f"not headers: {lines!r}")
    return int(status), {name.lower(): value for name, _, value in pairs}


def _judge(case: Case, answers: list[Answer], *, was_reset: bool) -> None:
    if not (case.least <= len(answers) or was_reset) or len(answers) > case.most:
        statuses = [answer.status for answer in answers]
        raise WrongAnswerError(f"{statuses}, not {case.least} to {case.most} answers")
    for answer in answers:
        if answer.status not in case.statuses:
            raise WrongAnswerError(f"status {answer.status}: {answer.body[:500]!r}")
        if not answer.headers.get("x-request-id"):
            raise WrongAnswerError(f"{answer.status} without X-Request-ID")
        if answer.status >= 400:
            _judge_error(answer)
    # The request after the last of them is wrong, so its answer has another id.
    echoed = [answer.headers["x-request-id"] for answer in answers][: len(case.ids)]
    if echoed != list(case.ids)[: len(echoed)]:
        raise WrongAnswerError(f"answers are for {echoed}, requests were {case.ids}")


def _judge_error(answer: Answer) -> None:
    try:
        error: dict[str, Any] = json.loads(answer.body)["error"]
        named = error["request_id"]
        complete = error.keys() >= {"code", "message", "retryable", "details"}
    except (ValueError, KeyError, TypeError) as exc:
        raise WrongAnswerError(f"{answer.status} without envelope: {answer.body[:500]!r}") from exc
    if not complete or named != answer.headers["x-request-id"]:
        raise WrongAnswerError(f"{answer.status} with a wrong envelope: {answer.body[:500]!r}")
