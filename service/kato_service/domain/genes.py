"""The tunables of a processor (processor.md §9, later-clients.md L3, L6, L7 and L8)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

StmMode = Literal["KEEP_LAST", "CLEAR", "ROLLING"]
RankKey = Literal[
    "potential",
    "similarity",
    "evidence",
    "confidence",
    "snr",
    "fragmentation",
    "frequency",
    "normalized_entropy",
    "global_normalized_entropy",
    "itfdf_similarity",
    "confluence",
    "predictive_information",
    "bayesian_posterior",
    "bayesian_prior",
    "bayesian_likelihood",
    "tfidf_score",
    "weighted_similarity",
    "weighted_evidence",
    "weighted_confidence",
    "weighted_snr",
]
"""The field by which predictions are ranked, the greatest first (later-clients.md L3)."""
RANK_KEYS: tuple[RankKey, ...] = get_args(RankKey)
GeneValue = float | int | bool | str | list[str]


@dataclass(frozen=True, slots=True)
class Genes:
    """The tunables of one session; the edges (environment, HTTP) validate them."""

    recall_threshold: float = 0.1
    max_predictions: int = 100
    persistence: int = 5
    max_pattern_length: int = 0
    """Events in the STM at which it is learned automatically; 0: never."""
    stm_mode: StmMode = "KEEP_LAST"
    sort_symbols: bool = True
    vector_neighbors: int = 3
    vector_min_score: float = 0.9
    vector_absorb_similarity: float = 0.0
    """Cosine similarity from which a new vector becomes a stored one; 0.0: never."""
    rank_sort_algo: RankKey = "potential"
    single_symbol_predictions: bool = False
    """Whether a state of one symbol has predictions."""
    fuzzy_token_threshold: float = 0.0
    """How alike two symbols have to be spelled to match, 0.0–1.0; 0.0: only equal ones match."""
    affinity_emotive: str | None = None
    """The emotive whose affinity says what symbols weigh; None: they have no weights."""

    def of_later_clients(self) -> "Genes":
        """The defaults of sessions made on ``/sessions``.

        Their clients expect predictions of a single symbol, and an automatic learn to empty the
        short-term memory, unless the instance is set to something other than its own default.
        """
        is_default = self.stm_mode == Genes().stm_mode
        mode: StmMode = "CLEAR" if is_default else self.stm_mode
        return replace(self, stm_mode=mode, single_symbol_predictions=True)

    def overridden(self, overrides: Mapping[str, GeneValue]) -> "Genes":
        """These genes with *overrides*, of which those of other versions have no effect."""
        if not overrides:
            return self
        return replace(self, **effective(overrides))  # type: ignore[arg-type]  # validated at the edge


_NAMES = frozenset(field.name for field in fields(Genes))
_ADDED = frozenset(
    {
        "rank_sort_algo",
        "single_symbol_predictions",
        "fuzzy_token_threshold",
        "affinity_emotive",
        "vector_absorb_similarity",
    }
)
"""Genes that the first version does not know."""


def effective(overrides: Mapping[str, GeneValue]) -> dict[str, GeneValue]:
    """The *overrides* that are genes of this version."""
    return {name: value for name, value in overrides.items() if name in _NAMES}


def known_to_all(overrides: Mapping[str, GeneValue]) -> dict[str, GeneValue]:
    """The *overrides* that replicas of every earlier version accept."""
    return {
        name: value for name, value in overrides.items() if name in _NAMES and name not in _ADDED
    }
