"""Who owns which knowledge base."""

from hashlib import sha256


def processor_id_of(base: str, user_id: str | None) -> str:
    """The knowledge base of a user: ``<base>``, or ``<base>~<40 hex of SHA-256 of the user>``."""
    if user_id is None:
        return base
    return f"{base}~{sha256(user_id.encode()).hexdigest()[:40]}"
