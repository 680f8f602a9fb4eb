"""``kato-service``: serve until a signal asks the process to end, or run a command."""

import argparse
import gc
import os
import socket
import sys
import textwrap
from pathlib import Path

import structlog

from kato_service import __version__
from kato_service.access.opening import access_control
from kato_service.errors import SettingsError
from kato_service.logs import configure_logs
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.settings.others import VARIABLES, set_without_effect
from kato_service.settings.settings import Settings, read_settings
from kato_service.settings.text import help_text, misspelled
from kato_service.traces.opening import require_traces

log = structlog.get_logger()
EVERY_ADDRESS = "::"
EXIT_REFUSED = 2
"""The environment is wrong, or a command refused."""


def main() -> None:
    """Serve, or run a command; a wrong environment ends it with one line and exit code 2."""
    if len(sys.argv) > 1:
        _run_command()
    try:
        settings = read_settings()
        configure_logs(level=settings.log_level, style=settings.log_format)
        _warn_of_misspellings()
        _warn_of_other_versions()
        PatternSearcher(settings.kato_engine)  # refuses an engine that is not installed
        access_control(settings)  # refuses files of keys that cannot be used
        require_traces(settings)
        _require_directories(settings)
        _serve(settings)
    except SettingsError as error:
        sys.stderr.write(f"kato-service: {error.message}\n")
        sys.exit(EXIT_REFUSED)


def _run_command() -> None:
    """Run the command that the arguments ask for and exit; return if they ask for none."""
    given = _parse_arguments()
    if given.main is not None:
        gc.enable()
        sys.exit(given.main(given))


def _warn_of_misspellings() -> None:
    """Say which variables look like settings and are none; their values may be secrets."""
    for name, nearest in misspelled(Settings, os.environ):
        log.warning("unknown environment variable ignored", variable=name, nearest=nearest)


def _warn_of_other_versions() -> None:
    """Say which variables belong to other versions; raises SettingsError if a value is wrong."""
    if names := set_without_effect(os.environ):
        log.warning("variables of other versions have no effect", variables=names)


def _serve(settings: Settings) -> None:
    # Imported when everything else is right: a command or a refusal needs nothing of HTTP, and
    # importing it takes two thirds of a start.
    from kato_service.app import serve
    from kato_service.server.supervisor import Supervisor
    from kato_service.service import BACKLOG

    with _listening(settings, BACKLOG) as listener:
        if settings.workers == 1:
            serve([listener])
        workers, grace_s = settings.workers, settings.shutdown_grace_s
        gc.enable()
        Supervisor(serve, listener, workers=workers, grace_s=grace_s).run()


def _listening(settings: Settings, backlog: int) -> socket.socket:
    try:
        if settings.host == EVERY_ADDRESS:
            return _listening_everywhere(settings.port, backlog)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=backlog)
    except OSError as exc:
        raise SettingsError(
            f"HOST, PORT: cannot listen on {settings.host}:{settings.port} ({exc.strerror});"
            " accepted: an address and a port of this machine that no other process uses"
        ) from exc


def _listening_everywhere(port: int, backlog: int) -> socket.socket:
    """A socket for all addresses, of IPv6 and IPv4; of IPv4 alone where the system has no IPv6."""
    if not socket.has_dualstack_ipv6():
        return socket.create_server(("0.0.0.0", port), backlog=backlog)
    return socket.create_server(
        (EVERY_ADDRESS, port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
    )


def _require_directories(settings: Settings) -> None:
    """Refuse directories that are needed but cannot be written."""
    if "embedded" in (settings.knowledge_in, settings.vectors_in):
        _require_writable("DATA_DIR", settings.data_dir)
    if settings.knowledge_snapshot_dir is not None:
        _require_writable("KNOWLEDGE_SNAPSHOT_DIR", settings.knowledge_snapshot_dir)


def _require_writable(variable: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as exc:
        raise SettingsError(
            f"{variable}: {str(folder)!r} cannot be written ({exc.strerror}); accepted: a directory"
            " that this user can write"
        ) from exc


class _Parser(argparse.ArgumentParser):
    """Describes the settings only when it is asked for help: no start has to wait for that."""

    def format_help(self) -> str:
        self.description = (
            "Serve one KATO instance over HTTP, configured by environment variables:\n\n"
            + help_text(Settings)
            + "\n\nWithout effect, from other versions:\n\n"
            + textwrap.fill(", ".join(VARIABLES), 100, initial_indent="  ", subsequent_indent="  ")
        )
        return super().format_help()


def _parse_arguments() -> argparse.Namespace:
    # Commands import all drivers; no start has to wait for that.
    from kato_service.access.command import add_command as add_key_command
    from kato_service.transfer.command import add_commands

    parser = _Parser(prog="kato-service", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"kato-service {__version__}")
    parser.set_defaults(main=None)
    commands = parser.add_subparsers(
        title="commands (none: serve)", metavar="", parser_class=argparse.ArgumentParser
    )
    add_commands(commands)
    add_key_command(commands)
    return parser.parse_args()
