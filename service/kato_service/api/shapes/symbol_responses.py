"""The JSON of answers about symbols, for the OpenAPI documents alone, as in `responses`."""

from pydantic import Field

from kato_service.api.shapes.responses import Answer


class Affinity(Answer):
    """What a symbol was learned with."""

    symbol: str = Field(examples=["hello"])
    affinity: dict[str, float] = Field(examples=[{"joy": 0.8}])
    """By emotive, the sum over all learns of patterns that hold the symbol; empty for a symbol that
    is unknown or was learned without emotives."""
    node_id: str = Field(examples=["kato"])
    """The user, if there is one; else the knowledge base."""


class Affinities(Answer):
    """What symbols were learned with."""

    affinities: dict[str, dict[str, float]] = Field(examples=[{"hello": {"joy": 0.8}}])
    """By symbol, in order of code points; without symbols that were learned without emotives."""
    node_id: str = Field(examples=["kato"])
    """The user, if there is one; else the knowledge base."""
    next_cursor: str = "world"
    """Present only if there are more symbols than one answer lists: the last one of this answer."""


class SymbolCounts(Answer):
    """The counts of a symbol."""

    name: str = Field(examples=["hello"])
    frequency: int = Field(examples=[3])
    """How often it was learned, deleted patterns included."""
    pattern_member_frequency: int = Field(examples=[2])
    """Patterns that hold it now."""


class SymbolStats(Answer):
    """The counts of symbols."""

    symbols: dict[str, SymbolCounts] = Field(
        examples=[{"hello": {"name": "hello", "frequency": 3, "pattern_member_frequency": 2}}]
    )
    """By symbol, in order of code points."""
    node_id: str = Field(examples=["kato"])
    """The user, if there is one; else the knowledge base."""
    next_cursor: str = "world"
    """Present only if there are more symbols than one answer lists: the last one of this answer."""
