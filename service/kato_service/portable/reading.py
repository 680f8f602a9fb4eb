"""Takes lines of knowledge one by one, and checks them from the header to the trailer."""

import json
from hashlib import sha256
from typing import Any

import orjson

from kato_service.domain.statistics import Corrections
from kato_service.errors import TransferError, WrongFieldError
from kato_service.json_text import RepeatedNameError, without_repetition
from kato_service.portable import wrong_json
from kato_service.portable.lines import FORMAT, VERSION, VERSION_WITH_VECTORS
from kato_service.portable.patterns import MAX_COUNT, count, text
from kato_service.portable.source import Refused

DAMAGED = "cut or damaged, and nothing was imported; export it again"


class KnowledgeReader:
    def __init__(self, name: str, *, may_be_bare: bool = False) -> None:
        """Args:
        name: What the lines come from, in messages.
        may_be_bare: They may also be lines of patterns and vectors alone.
        """
        self.is_bare = False
        """Neither header nor trailer: nothing reveals that lines are missing."""
        self.refused: list[Refused] = []
        """Corrections that cannot be imported."""
        self.corrections = Corrections()
        """After the trailer."""
        self._name = name
        self._may_be_bare = may_be_bare
        self._has_begun = False
        self._has_ended = False
        self._has_crlf = False
        self._digest = sha256()
        self._patterns = self._vectors = 0
        self._symbols: dict[str, tuple[int, int]] = {}

    def take(self, number: int, line: bytes) -> dict[str, Any] | None:
        """The fields of a pattern, or of a vector (with ``vector``); None for any other line.

        Args:
            number: Of the line, in messages.
            line: With its end.

        Raises:
            TransferError: It is no line of this kind, or comes after the last one.
        """
        given = self._parsed(number, line)
        self._has_crlf |= line.endswith(b"\r\n")
        if self._has_ended:
            raise TransferError(f"{self._name} has more after its last line, so it is {DAMAGED}")
        if not self._has_begun:
            self._has_begun = True
            self.is_bare = self._may_be_bare and not given.keys() & {"format", "error", "sha256"}
            if not self.is_bare:
                _require_header(self._name, given)
                self._digest.update(line)
                return None
        if "sha256" in given:
            self._end(number, given)
            return None
        self._require_content(number, given)
        self._digest.update(line)
        if "symbol" in given:
            self._correct(number, given)
            return None
        self._vectors += "vector" in given
        self._patterns += "vector" not in given
        return given

    def end(self) -> None:
        """Nothing follows.

        Raises:
            TransferError: Something is missing.
        """
        if not self._has_ended and not self.is_bare:
            raise TransferError(f"{self._name} is {DAMAGED}")

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            given = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise TransferError(self._not_json(number, line)) from exc
        if not isinstance(given, dict):
            raise TransferError(
                f"{self._name}: line {number} is not a JSON object, so it is {DAMAGED}"
            )
        return given

    def _not_json(self, number: int, line: bytes) -> str:
        said = f"{self._name}: line {number} is not JSON"
        if (reason := wrong_json.reason(line)) is not None:
            return f"{said}: {reason}; nothing was imported"
        # Only of an export is it known that its lines were JSON once.
        is_export = self._has_begun and not self.is_bare
        return f"{said}, so it is {DAMAGED}" if is_export else f"{said}, and nothing was imported"

    def _require_content(self, number: int, given: dict[str, Any]) -> None:
        if "error" in given:
            raise TransferError(
                f"{self._name}: the export that wrote it failed, as line {number} says; export it"
                " again"
            )
        if self.is_bare and given.keys() & {"symbol", "format"}:
            raise TransferError(
                f"{self._name}: line {number} belongs to a whole export; without its first line,"
                " send lines of patterns and vectors only"
            )

    def _correct(self, number: int, given: dict[str, Any]) -> None:
        try:
            symbol = text("symbol", given["symbol"])
            fields = ("pattern_member_frequency", "frequency")
            counts = [count(field, given.get(field), MAX_COUNT, -MAX_COUNT) for field in fields]
            self._symbols[symbol] = (counts[0], counts[1])
        except WrongFieldError as exc:
            self.refused.append(Refused(f"line {number}", exc.message))

    def _end(self, number: int, trailer: dict[str, Any]) -> None:
        if self.is_bare:
            raise TransferError(
                f"{self._name}: line {number} is the last one of a whole export, whose first one is"
                f" missing, so it is {DAMAGED}"
            )
        symbols = len(self._symbols) + len(self.refused)
        found = (self._patterns, self._vectors, symbols, self._digest.hexdigest())
        told = (trailer.get("patterns"), trailer.get("vectors", 0), trailer.get("symbols"))
        if (*told, trailer["sha256"]) != found:
            raise TransferError(
                f"{self._name} has lines that end in CRLF, so a program has changed it since its"
                " export, and nothing was imported; send it as it was exported"
                if self._has_crlf
                else f"{self._name} is {DAMAGED}"
            )
        fields = ("total_learns", "total_symbols", "total_distinct_symbols")
        try:
            totals = [count(field, trailer.get(field), MAX_COUNT, -MAX_COUNT) for field in fields]
        except WrongFieldError as exc:
            raise TransferError(f"{self._name}: the trailer: {exc.message}") from exc
        self.corrections = Corrections(self._symbols, totals[0], totals[1], totals[2])
        self._has_ended = True


def require_single_names(line: bytes) -> None:
    """The digest of an export vouches for its lines. In others, an object may have a name twice, of
    which only one would be read.

    Raises:
        WrongFieldError: It has, or is nested too deeply to tell.
    """
    try:
        json.loads(line, object_pairs_hook=without_repetition)
    except RepeatedNameError as exc:
        raise WrongFieldError(f"{exc.name}: its object has this name twice") from None
    except RecursionError:
        raise WrongFieldError("the line: nested too deeply") from None


def _require_header(name: str, given: dict[str, Any]) -> None:
    if given.get("format") != FORMAT:
        raise TransferError(f"{name} was not written by an export of KATO")
    version = given.get("version")
    if version not in (VERSION, VERSION_WITH_VECTORS):
        told = f"version {version}" if isinstance(version, int) else "an unknown version"
        raise TransferError(
            f"{name} has {told}, this program reads versions {VERSION}"
            f" and {VERSION_WITH_VECTORS}: use the program that wrote it, or a newer one"
        )
