"""How much a session may hold and an observation may bring (http-api.md §5)."""

from dataclasses import dataclass

MAX_EMOTIVE_KEYS = 64
MAX_EMOTIVE_KEY_CHARS = 256
MAX_LEARNED_EMOTIVES_BYTES = 8 * 2**20
"""Of the map that one learn adds to its pattern: with the largest STM that settings allow beside
it, the log entry fits into a document of MongoDB (16 MiB). One that does not could never be
completed."""
MAX_LEARNED_BYTES = 16 * 2**20
"""Of UTF-8 in the patterns that one request learns: all of them wait in its session for the log."""


@dataclass(frozen=True, slots=True)
class ObservationLimits:
    max_stm_events: int = 1000
    max_stm_symbols: int = 65_535
    max_stm_bytes: int = 4 * 2**20
    """UTF-8 of all symbols of a short-term memory."""
    max_pending_emotives: int = 1000
    """Maps that wait for a learn; the oldest are dropped beyond."""
    max_strings_per_event: int = 256
    max_symbol_chars: int = 1024
    max_vectors: int = 16
    max_vector_dimensions: int = 4096
    max_metadata_bytes: int = 16_384
    """UTF-8 of keys and values that an STM collects for its pattern."""
