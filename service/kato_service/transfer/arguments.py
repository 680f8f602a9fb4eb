"""Arguments that both commands have."""

import argparse

from pydantic import TypeAdapter, ValidationError

from kato_service.api.shapes.body import UserId

ENVIRONMENT = (
    "The knowledge is found through the environment variables of the service (kato-service --help)."
)


def user(given: str) -> str:
    """A user id that the API accepts, too: nobody could use the knowledge of any other."""
    try:
        return TypeAdapter(UserId).validate_python(given)
    except ValidationError as exc:
        raise argparse.ArgumentTypeError(
            "must be 1 to 256 printable characters, and neither . nor .."
        ) from exc
