"""What an imported pattern or vector may be: no more than what can be observed here."""

from kato_service.domain.pattern import Pattern
from kato_service.portable.vectors import NamedVector
from kato_service.settings.settings import Settings

_USE = "kato-service import takes larger ones"


class ImportLimits:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def refusal(self, one: Pattern | NamedVector) -> str | None:
        """Why it is refused; None: it is not."""
        if isinstance(one, NamedVector):
            most = self._settings.max_vector_dimensions
            if len(one.components) > most:
                return f"vector: more than {most} components (MAX_VECTOR_DIMENSIONS); {_USE}"
            return None
        return self._of_pattern(one)

    def _of_pattern(self, one: Pattern) -> str | None:
        settings = self._settings
        for size, most, what in (
            (len(one.events), settings.max_stm_events, "events (MAX_STM_EVENTS)"),
            (one.symbol_count, settings.max_stm_symbols, "symbols (MAX_STM_SYMBOLS)"),
            (
                max(map(len, one.events)),
                settings.max_strings_per_event,
                "symbols in an event (MAX_STRINGS_PER_EVENT)",
            ),
            (
                max(len(symbol) for event in one.events for symbol in event),
                settings.max_symbol_chars,
                "characters in a symbol (MAX_SYMBOL_CHARS)",
            ),
        ):
            if size > most:
                return f"events: more than {most} {what}; {_USE}"
        return None
