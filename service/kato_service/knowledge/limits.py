"""What bounds the knowledge of one process: how much it keeps, reads, writes and lets wait.

Every limit and wait has its default here. Constructors take the whole object, or the one number
they need, so that a test or a command can run the real code with other numbers.
"""

from dataclasses import dataclass
from math import inf

MIB = 2**20


@dataclass(frozen=True, slots=True)
class KnowledgeLimits:
    """Limits and waits that all knowledge bases of a process share."""

    memory_bytes: float = inf
    """Estimated bytes that loaded knowledge bases may take together before idle ones are unloaded.
    The service sets it from its memory; a command that loads a single one needs no limit."""
    max_staleness_s: float = 0.0
    """Seconds since the last successful read of the log within which predictions may still be
    answered while the log does not answer; 0: never, every prediction is up to date."""
    retention_s: float = 172_800.0
    """Seconds that an entry stays in the log at least (two days): an append or a pending change
    must find its entries there, however long its process was stopped."""

    first_page_entries: int = 64
    """Entries, or views, in the first page of a read, when nobody knows yet how large each is."""
    page_entries: int = 1000
    """Entries, or views, per page at most: a thousand small ones decode in a few milliseconds."""
    page_symbols: int = 500_000
    """Symbols per page of log entries: bounds the memory of one page while it is folded."""
    page_bytes: int = 32 * MIB
    """Bytes per page of views, as they are stored; two pages are held while a load is running."""

    pending_entries: int = 10_000
    """Entries that may wait for one log. More are refused (503): they would only time out."""
    pending_symbols: int = 4_000_000
    """Symbols in the entries that may wait for one log: bounds their memory."""

    group_entries: int = 512
    """Entries per insert: larger groups gain little, and every entry waits for its whole group."""
    group_symbols: int = 40_000
    """Symbols per insert, so that the store takes a group well within its time-out."""
    token_page: int = 5000
    """Entries whose tokens are read at once, for the repeats of lines with an id."""
    token_group: int = 32
    """Own entries from which on an append is confirmed by their tokens alone. Fewer are read again
    as a whole: that is one call instead of two."""
    replayed_entries: int = 20_000
    """Entries of a log that are read again to answer what an earlier entry did. Others wait
    meanwhile, a third of a second for so many; after a longer log the answer is unknown."""
    append_retry_s: float = 10.0
    """Seconds that entries of unknown outcome are retried before their append fails: enough for a
    store to change its primary, less than most clients wait."""

    dirty_patterns: int = 100_000
    """Names of changed patterns that are listed for the next write of views (20 MB for so many);
    beyond, every pattern is compared instead."""
    view_batch: int = 256
    """Patterns per write of views: an append to the same file waits behind one batch at most, some
    10 ms."""
    view_batch_symbols: int = 20_000
    """Symbols per write of views, for the same reason."""
    view_scan: int = 250
    """Names that are taken from the index at once while all patterns are compared."""
    view_delay_s: float = 5.0
    """Seconds after which the views show an entry: what changes often is written once."""
    view_soon_entries: int = 5000
    """Entries ahead of the views that do not wait for the delay: replicas that start meanwhile
    would have to fold them, which takes a tenth of a second."""
    lease_s: float = 30.0
    """Seconds after which another process may write views or trim next to one that died, or is
    slow; the lease saves double work, correctness does not depend on it."""
    statistics_piece_bytes: int = 4 * MIB
    """Bytes of corrections per document of MongoDB, which takes 16 MiB at most."""

    trim_entries: int = 1000
    """Old entries that are dropped at once: a call has its time-out."""
    check_every_s: float = 5.0
    """Seconds between checks whether a store went back to a backup."""
    trim_every_s: float = 60.0
    """Seconds between checks for entries that are old enough to be dropped."""
    bases_per_round: int = 20
    """Knowledge bases that one round of upkeep looks at, however many are loaded."""

    snapshot_every_s: float = 60.0
    """Seconds between checks whether snapshot files are due."""
    snapshot_close_s: float = 5.0
    """Seconds that an ending process may take for its last snapshot files."""

    busy_timeout_s: float = 5.0
    """Seconds that SQLite waits for another process to unlock the file."""

    @property
    def append_s(self) -> float:
        """Seconds an append may take at most. Half of the retention: a look-up up to then still
        finds in the log whatever the append put there."""
        return self.retention_s / 2


DEFAULT_LIMITS = KnowledgeLimits()
