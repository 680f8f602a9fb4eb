"""Which knowledge base belongs to which user."""

from hashlib import sha256

MAX_USER_ID_CHARS = 256
UNREACHABLE_USER_IDS = (".", "..")
"""What clients and proxies resolve in paths, even percent-encoded: none would reach such a user."""


def is_user_id(value: str) -> bool:
    """Whether *value* can name a user."""
    return was_user_id(value) and value not in UNREACHABLE_USER_IDS


def was_user_id(value: str) -> bool:
    """Whether there may be a user of this name, as earlier versions refused fewer names."""
    return 1 <= len(value) <= MAX_USER_ID_CHARS and value.isprintable()


def processor_id_of(base: str, user_id: str | None) -> str:
    """The id of a user's knowledge base: ``<base>~<40 hex digits of SHA-256 of the user id>``.

    Without a user: ``<base>``, the knowledge base of the instance.
    """
    if user_id is None:
        return base
    return f"{base}~{sha256(user_id.encode()).hexdigest()[:40]}"
