"""How much a session may hold and an observation may bring (http-api.md §5)."""

from dataclasses import dataclass

MAX_EMOTIVE_KEYS = 64
"""Names in one emotive map."""
MAX_EMOTIVE_KEY_CHARS = 256
MAX_LEARNED_EMOTIVES_BYTES = 8 * 2**20
"""Bytes of the emotive map that one learn adds to its pattern. Together with the largest STM that
the settings allow, its log entry then fits into a document of MongoDB (16 MiB); one that does not
fit could never be completed."""
MAX_LEARNED_BYTES = 16 * 2**20
"""UTF-8 bytes of all patterns that one request learns: they wait together in its session until the
log has them."""


@dataclass(frozen=True, slots=True)
class ObservationLimits:
    """The limits that settings can change; see `Settings` for the reasons."""

    max_stm_events: int = 1000
    max_stm_symbols: int = 65_535
    max_stm_bytes: int = 4 * 2**20
    """UTF-8 bytes of all symbols of a short-term memory."""
    max_pending_emotives: int = 1000
    """Emotive maps that wait for a learn; the oldest are dropped beyond."""
    max_strings_per_event: int = 1024
    max_symbol_chars: int = 1024
    max_vectors: int = 16
    max_vector_dimensions: int = 4096
    max_metadata_bytes: int = 16_384
    """UTF-8 bytes of the keys and values that an STM collects for its pattern."""
