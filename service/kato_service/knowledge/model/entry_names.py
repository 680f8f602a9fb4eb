"""Names of entries: tokens that are made from what their senders call them (knowledge.md §3).

Other tokens are random. To whoever reads the log, every token is a text that is equal or not.
"""

from hashlib import blake2b, sha256
from typing import NamedTuple

_MARK = "l"
"""The first character of such a token: no hex digit, so no random token begins with it."""
_ID_CHARS, _CONTENT_CHARS = 16, 8
"""Hex digits of the id's SHA-256 and of a digest of the content."""
_CONTENTS = 16**_CONTENT_CHARS
TOKEN_CHARS = len(_MARK) + _ID_CHARS + _CONTENT_CHARS


class EntryName(NamedTuple):
    """What a token says about the entry that its sender named."""

    key: int
    """64 bits of the id: an entry of the same key is a repeat, or it reuses the id."""
    content: int
    """32 bits of what the sender asked for: the repeat of an entry has the same."""


def named_token(unique_id: str, content: bytes, part: int = 0) -> str:
    """The token of an entry that its sender named.

    Args:
        unique_id: What the sender calls the line that makes the entry.
        content: Equal for lines that ask for the same.
        part: The entry's place among those of its line, from 0.
    """
    named = f"{unique_id}\0{part}" if part else unique_id
    key = sha256(named.encode()).hexdigest()[:_ID_CHARS]
    return f"{_MARK}{key}{blake2b(content, digest_size=_CONTENT_CHARS // 2).hexdigest()}"


def name_in(token: str) -> EntryName | None:
    """The name that *token* was made from; None: it is a random one."""
    if len(token) != TOKEN_CHARS or token[0] != _MARK:
        return None
    return EntryName(*divmod(int(token[1:], 16), _CONTENTS))
