"""How far imports into a knowledge base have come: what makes them idempotent and resumable."""

from collections.abc import Mapping

from kato_service.knowledge.model.entries import Import, Statistics


class ImportProgress:
    """By source, the number of its parts that are in. Part of a fold; a clear empties it, except
    for the import that begins with that clear, which has no parts yet.

    A part counts once and in order: one that is in already, or that comes before its turn, changes
    nothing. So an import may be repeated, also by several processes at once and long after the log
    was trimmed. For that, the view of the statistics stores `parts` with the corrections.
    """

    def __init__(self, parts: Mapping[str, int] | None = None) -> None:
        self.parts: dict[str, int] = dict(parts or {})

    def admit(self, entry: Import | Statistics) -> bool:
        """Count *entry*; False: it is not its turn."""
        if self.parts.get(entry.source, 0) != entry.part:
            return False
        self.parts[entry.source] = entry.part + 1
        return True
