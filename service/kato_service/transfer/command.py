"""``kato-service import`` and ``kato-service export``: how they run and end."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine

from kato_service.errors import (
    DeadlineExceededError,
    SettingsError,
    SourceChangedError,
    StoreUnavailableError,
    TransferError,
    VectorLimitExceededError,
)
from kato_service.logs import configure_logs
from kato_service.settings.settings import Settings, read_settings
from kato_service.transfer.export_command import add_export
from kato_service.transfer.import_command import EXIT_DIFFERENT, add_import
from kato_service.transfer.report import say

EXIT_REFUSED = 2
EXIT_UNAVAILABLE = 3
EXIT_STOPPED = 130

Command = Callable[[argparse.Namespace, Settings], Coroutine[None, None, int]]
_REPEAT = "repeat the command; an import continues where it stopped"
_REFUSED = (TransferError, SettingsError, VectorLimitExceededError)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_import(commands).set_defaults(main=run)
    add_export(commands).set_defaults(main=run)


def run(given: argparse.Namespace) -> int:
    """Run the given command; gives its exit code."""
    configure_logs(level="warning", style="console", out=sys.stderr)
    return ended(given)


def ended(given: argparse.Namespace) -> int:
    """The same as `run`, without setting up logs."""
    command: Command = given.run
    try:
        return asyncio.run(command(given, read_settings()))
    except SourceChangedError as error:
        say(f"kato-service: {error.message}")
        return EXIT_DIFFERENT
    except _REFUSED as error:
        say(f"kato-service: {error.message}")
        return EXIT_REFUSED
    except (StoreUnavailableError, DeadlineExceededError) as error:
        say(f"kato-service: {error.message}; {_REPEAT}")
        return EXIT_UNAVAILABLE
    except KeyboardInterrupt:
        say(f"kato-service: interrupted; {_REPEAT}")
        return EXIT_STOPPED
