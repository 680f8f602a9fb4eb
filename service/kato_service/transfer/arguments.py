"""Arguments that both commands have."""

import argparse

from kato_service.domain.identity import MAX_USER_ID_CHARS, was_user_id

ENVIRONMENT = (
    "The knowledge is found through the environment variables of the service (kato-service --help)."
)


def user(given: str) -> str:
    """The id of a user that there can be: nobody could use the knowledge of any other."""
    if not was_user_id(given):
        raise argparse.ArgumentTypeError(f"must be 1 to {MAX_USER_ID_CHARS} printable characters")
    return given
