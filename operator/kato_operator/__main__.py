"""The command `kato-operator`: runs the operator, or the MongoDB agent in a pod of the store."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version

import structlog
from pydantic_settings import BaseSettings

from kato_operator import environment, logs
from kato_operator.settings import AgentSettings, OperatorSettings

log = structlog.get_logger()


def main(arguments: list[str] | None = None) -> None:
    """Run the command that the arguments name, until a signal stops it."""
    try:
        command = _parsed(arguments)
        with _nothing_collected():
            program = _operator() if command == "run" else _mongodb_agent()
        _until_signalled(program)
    except environment.WrongEnvironmentError as error:
        sys.exit(f"kato-operator: {error}")


def _parsed(arguments: list[str] | None) -> str:
    parser = argparse.ArgumentParser(
        prog="kato-operator",
        description="Run the KATO operator, or the agent that runs next to each MongoDB server.",
        epilog="Settings come from environment variables: KATO_OPERATOR_… and KATO_AGENT_….",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('kato')}")
    parser.add_argument(
        "command",
        nargs="?",
        choices=("run", "mongodb-agent"),
        default="run",
        help="run: the operator (default); mongodb-agent: the agent of one MongoDB server",
    )
    command: str = parser.parse_args(arguments).command
    return command


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """No garbage collection inside, and later ones leave out what is made inside: modules and
    models, of which nothing becomes garbage. Looking for it would take a sixth of the start."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _operator() -> Coroutine[None, None, None]:
    from kato_operator import program  # imported late: the agent must not load kopf

    settings = environment.read(OperatorSettings)
    logs.configure(settings.log_level, settings.log_format)
    _warn_of_unknown(OperatorSettings)
    return program.run(settings, version=version("kato"))


def _mongodb_agent() -> Coroutine[None, None, None]:
    from kato_operator.mongodb_agent import agent  # imported late: the operator does not need it

    settings = environment.read(AgentSettings)
    logs.configure(settings.log_level, settings.log_format)
    _warn_of_unknown(AgentSettings)
    return agent.run(settings)


def _warn_of_unknown(model: type[BaseSettings]) -> None:
    for name, nearest in environment.unknown(model, os.environ):
        log.warning("unknown environment variable ignored", variable=name, nearest=nearest)


def _until_signalled(program: Coroutine[None, None, None]) -> None:
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_with_sigterm(program))


async def _with_sigterm(program: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(program)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    main()
