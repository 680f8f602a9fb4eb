"""Configuration names of other KATO versions: accepted and checked, without effect (L10)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from kato_service.api.shapes.body import AsWhole, Body, Real

OTHER_GENE = "A gene of other versions: checked, stored and shown, without effect."
"""What the documents say of each."""
Ratio = Annotated[Real, Field(ge=0.0, le=1.0)]
Filter = Literal["minhash", "length", "jaccard", "bloom", "rapidfuzz"]


class OtherGenes(Body):
    """What the genes of other versions accept. Each is stored and shown, and changes nothing."""

    process_predictions: bool | None = None
    indexer_type: Literal["VI", "LSH", "ANNOY", "FAISS"] | None = None
    use_token_matching: bool | None = None
    filter_pipeline: Annotated[list[Filter], Field(max_length=len(get_args(Filter)))] | None = None
    length_min_ratio: Ratio | None = None
    length_max_ratio: Annotated[Real, Field(ge=1.0)] | None = None
    jaccard_threshold: Ratio | None = None
    jaccard_min_overlap: Annotated[int, Field(ge=1), AsWhole] | None = None
    minhash_threshold: Ratio | None = None
    minhash_bands: Annotated[int, Field(ge=1, le=100), AsWhole] | None = None
    minhash_rows: Annotated[int, Field(ge=1, le=20), AsWhole] | None = None
    minhash_num_hashes: Annotated[int, Field(ge=10, le=256), AsWhole] | None = None
    bloom_false_positive_rate: Annotated[Real, Field(ge=0.0001, le=0.1)] | None = None
    max_candidates_per_stage: Annotated[int, Field(ge=100), AsWhole] | None = None
    enable_filter_metrics: bool | None = None
    vector_event_mode: Literal["neighbors_plus_self", "self_only"] | None = None
    vector_search_limit: Annotated[int, Field(ge=1, le=100), AsWhole] | None = None
    return_vector_search_results: bool | None = None
    smoothness: Annotated[int, Field(ge=1, le=10), AsWhole] | None = None
    quiescence: Annotated[int, Field(ge=0, le=100), AsWhole] | None = None
    search_depth: Annotated[int, Field(ge=1, le=100), AsWhole] | None = None
    auto_act_method: Literal["none", "threshold", "pattern", "adaptive"] | None = None
    auto_act_threshold: Ratio | None = None
    always_update_frequencies: bool | None = None


DEFAULTS: dict[str, Any] = {
    "process_predictions": True,
    "indexer_type": "VI",
    "use_token_matching": True,
    "filter_pipeline": [],
    "length_min_ratio": 0.5,
    "length_max_ratio": 2.0,
    "jaccard_threshold": 0.3,
    "jaccard_min_overlap": 2,
    "minhash_threshold": 0.7,
    "minhash_bands": 20,
    "minhash_rows": 5,
    "minhash_num_hashes": 100,
    "bloom_false_positive_rate": 0.01,
    "max_candidates_per_stage": 100_000,
    "enable_filter_metrics": True,
    "vector_event_mode": "neighbors_plus_self",
    "vector_search_limit": 3,
    "return_vector_search_results": False,
    "smoothness": 3,
    "quiescence": 3,
    "search_depth": 10,
    "auto_act_method": "none",
    "auto_act_threshold": 0.8,
    "always_update_frequencies": False,
}
"""What answers show of a gene that is not set: the defaults of the versions that know it."""


def shown(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Every gene of other versions, as the session's *overrides* or its default."""
    return {name: overrides.get(name, default) for name, default in DEFAULTS.items()}
