"""Bodies of requests to paste, for the OpenAPI documents; the first of each is the usual one.

A test sends every one of them.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from kato_service.api.shapes import requests
from kato_service.api.shapes.bulk.bodies import LearnBody
from kato_service.api.shapes.knowledge import bodies as knowledge

Examples = Mapping[str, Any]
"""By summary, a body."""

_OBSERVATION: Examples = {
    "An event": {"strings": ["hello", "world"]},
    "With emotives and metadata": {
        "strings": ["hello"],
        "emotives": {"joy": 0.8},
        "metadata": {"source": "manual"},
    },
    "With a vector": {"vectors": [[0.1, 0.9]], "vector_labels": ["cat"]},
    "Safe to send again": {"strings": ["hello"], "unique_id": "my-observation-1"},
}
_EVENTS = [{"strings": ["hello"]}, {"strings": ["world"]}, {"strings": ["again"]}]
_SEQUENCE: Examples = {
    "Observe and learn": {"observations": _EVENTS, "learn_at_end": True},
    "Observe only": {"observations": _EVENTS[:2]},
    "Safe to send again": {"observations": _EVENTS[:2], "unique_id": "my-sequence-1"},
}
_GENES = {"recall_threshold": 0.3, "max_predictions": 10}
EXAMPLES: Mapping[type[BaseModel], Examples] = {
    requests.SessionBody: {
        "A session of a user": {"user_id": "alice"},
        "A session without a user": {},
        "With genes of its own": {"user_id": "alice", "ttl_seconds": 600, "config": _GENES},
    },
    requests.SessionEditBody: {
        "Set a key and remove another": {"metadata": {"topic": "weather", "draft": None}},
    },
    requests.ExtendBody: {"An hour from now": {"ttl_seconds": 3600}},
    requests.ObservationBody: _OBSERVATION,
    requests.SequenceBody: _SEQUENCE,
    requests.OlderPredictionsBody: {
        "As the genes say": {},
        "The best two": {"limit": 2, "recall_threshold": 0.2},
    },
    requests.PredictBody: {
        "What comes next": {"user_id": "alice", "events": [["hello"], ["world"]], "view": "next"},
        "Predictions": {"user_id": "alice", "events": [["hello"], ["world"]], "limit": 10},
        "From observations": {"observations": _EVENTS[:2], "explain": True},
    },
    requests.PredictBatchBody: {
        "Two questions": {
            "items": [
                {"user_id": "alice", "events": [["hello"], ["world"]], "view": "next"},
                {"user_id": "alice", "events": [["hello"], ["again"]], "limit": 1},
            ]
        },
    },
    LearnBody: {
        "Two visits": {
            "sequences": [
                {"user_id": "alice", "events": [["hello"], ["world"]]},
                {"user_id": "alice", "events": [["hello"], ["again"]], "emotives": {"joy": 0.8}},
            ]
        },
        "Events as they are observed": {"sequences": [{"observations": _EVENTS}]},
        "Safe to send again": {
            "sequences": [{"events": [["hello"], ["world"]], "unique_id": "visit-1"}]
        },
    },
    requests.RepeatableBody: {"Once": {}, "Safe to send again": {"unique_id": "my-request-1"}},
    requests.ConfigBody: {
        "Change genes": {"config": _GENES},
        "Back to the default": {"config": {"recall_threshold": None}},
    },
    requests.ConfigurationBody: {"Start with genes of its own": {"config": _GENES}},
    requests.GenesBody: {"Change genes": {"genes": _GENES}, "The map alone": _GENES},
    knowledge.NearestBody: {
        "The nearest ten": {"vector": [0.1, 0.9]},
        "Near duplicates": {"vector": [0.1, 0.9], "limit": 3, "min_score": 0.99},
    },
    knowledge.PatternBody: {
        "Count it three times": {"frequency": 3},
        "Replace its emotives": {"emotives": [{"joy": 0.8}]},
    },
    knowledge.DeletePatternsBody: {
        "How many there are": {"symbols": ["hello"], "dry_run": True},
        "Rare ones that begin so": {"prefix": [["hello"], ["world"]], "max_frequency": 1},
    },
}
