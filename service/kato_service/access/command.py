"""``kato-service key``: make an API key, and the line by which an instance knows it."""

import argparse
import sys

from pydantic import ValidationError

from kato_service import json_text
from kato_service.access.key_lines import reason
from kato_service.access.keys import key_line, new_key
from kato_service.access.scopes import GRANTED

EXIT_REFUSED = 2


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "key",
        help="make an API key",
        description="Make an API key. Its line for the file of API_KEYS_FILE goes to standard"
        " output, the key itself to standard error: it is shown once and stored nowhere.",
        epilog="example: kato-service key shop --scope write --user shop >> keys.jsonl",
    )
    parser.add_argument("name", help="what logs and messages call the key")
    parser.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=[scope.value for scope in GRANTED],
        help="what it may do; write includes read, admin everything; can be repeated",
    )
    parser.add_argument(
        "--user", metavar="ID", help="the user_id as which it acts; by default, none"
    )
    parser.set_defaults(main=run)


def run(given: argparse.Namespace) -> int:
    """Print a new key and its line; the exit code."""
    key = new_key()
    try:
        line = key_line(key, name=given.name, scopes=given.scope, user=given.user)
    except ValidationError as exc:
        sys.stderr.write(f"kato-service: {reason(exc)}\n")
        return EXIT_REFUSED
    sys.stderr.write(f"the key {given.name!r}, shown only now: {key}\n")
    sys.stdout.write(json_text.text(line.model_dump(exclude_none=True)).decode() + "\n")
    return 0
