"""What is wrong with requests, and what the answer says of it: one row per error.

Places are those in the body; a WebSocket has the same ones in the payload of a frame.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from kato_service.api.shapes.bulk.bodies import LearnBody
from kato_service.api.shapes.knowledge.bodies import DeletePatternsBody, NearestBody, PatternBody
from kato_service.api.shapes.requests import (
    ConfigBody,
    ConfigurationBody,
    ExtendBody,
    GenesBody,
    ObservationBody,
    OlderPredictionsBody,
    PredictBatchBody,
    PredictBody,
    RepeatableBody,
    SequenceBody,
    SessionBody,
    SessionEditBody,
)

Place = tuple[str | int, ...]
BIG = "must be between -9223372036854775808 and 18446744073709551615 if it is a whole number"
FAR = "must be a number between -1.79e308 and 1.79e308"
NO_NUMBER = "must be a finite number; JSON has no NaN and no Infinity"
NO_TEXT = "must be valid Unicode text, without lone surrogates"
DEEP = "must not be nested more than 254 levels deep"
TWICE = "is given more than once"
CONDITION = (
    "must hold at least one condition; to delete everything, erase the user, or use clear-all of a"
    " session"
)
MOMENT = "must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z"


@dataclass(frozen=True)
class Row:
    body: Any
    """Bytes, or the value of the JSON."""
    place: Place
    """Of the first finding, in the body."""
    words: str
    """The message; a bar is between what it names and what it says of it."""
    code: str = "VALIDATION_ERROR"
    strict_only: bool = False
    """Only ``/v2`` refuses it: the other paths ignore unknown fields."""
    of_gene: bool = False
    """It is an unknown gene, which ``/sessions`` alone ignores."""

    def is_refused_at(self, path: str) -> bool:
        if self.of_gene:
            return not path.startswith("/sessions")
        return path.startswith("/v2/") or not self.strict_only

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    @property
    def message(self) -> str:
        return self.words.replace(" | ", " ")

    def inside(self, before: bytes, after: bytes, place: Place, of: str) -> "Row":
        """The row with its body between *before* and *after*, at *place* of a larger one."""
        words = self.words.replace(" | ", f" of {of} | ")
        raw = before + self.raw + after
        return replace(self, body=raw, place=(*place, *self.place), words=words)


def _nested(levels: int) -> bytes:
    return b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


ANY_BODY = (
    Row(b"[]", (), "the body | must be an object"),
    Row(b'"x"', (), "the body | must be an object"),
    Row(b"\xef\xbb\xbf{}", (), "the body | must not start with a byte order mark"),
    Row(b'{"x":"\xff"}', (), "the body | is not valid UTF-8 at byte 7"),
    Row(b'{"x":"\xed\xa0\x80"}', (), "the body | is not valid UTF-8 at byte 7"),
    Row(b'{"x":"\\ud800"}', ("x",), f"x | {NO_TEXT}"),
    Row(b'{"x":["a",{"y":"\\udc00\\ud800"}]}', ("x", 1, "y"), f"y of x[1] | {NO_TEXT}"),
    Row(b'{"x":{"\\ud83d":1}}', ("x",), f"x | {NO_TEXT}"),
    Row(_nested(255), (), f"the body | {DEEP}"),
    Row(_nested(1025), (), f"the body | {DEEP}"),
    Row(b"[" * 100_000, (), f"the body | {DEEP}"),
    Row(b'{"x":1,"x":2}', ("x",), f"x | {TWICE}"),
    Row(b'{"x":1,"\\u0078":1}', ("x",), f"x | {TWICE}"),
    Row(b'{"x":[0,{"a b":{"y":1,"z":2,"y":1}}]}', ("x", 1, "a b", "y"), f'y of "a b" of x[1] | {TWICE}'),
    Row(b'{"x":":","y":{"a":":","a":""}}', ("y", "a"), f"a of y | {TWICE}"),
    Row(b'{"x":"\\u003a","y":1,"y":2}', ("y",), f"y | {TWICE}"),
    Row(b'{"x":18446744073709551616}', ("x",), f"x | {BIG}"),
    Row(b'{"x":[1,-9223372036854775809]}', ("x", 1), f"x[1] | {BIG}"),
    Row(b'{"x":{"y":' + b"9" * 5000 + b"}}", ("x", "y"), f"y of x | {BIG}"),
    Row(b'{"x":1e400}', ("x",), f"x | {FAR}"),
    Row(b'{"x":[0,-1e400,NaN]}', ("x", 1), f"x[1] | {FAR} (and 1 more problem)"),
    Row(b'{"x":' + b"9" * 400 + b'.5}', ("x",), f"x | {FAR}"),
    Row(b'{"x":NaN}', ("x",), f"x | {NO_NUMBER}"),
    Row(b'{"x":[Infinity,1,-Infinity,NaN]}', ("x", 0), f"x[0] | {NO_NUMBER} (and 2 more problems)"),
)  # fmt: skip
"""Rows for every operation that takes a body."""

SYNTAX = (
    Row(b'{"x":1', (), "it ends too early, at line {line}, column 7"),
    Row(b'{"x":"1', (), "a text has no closing quote, at line {line}, column 6"),
    Row(b"{", (), "it ends too early, at line {line}, column 2"),
    Row(b'{"x":1}}', (), "it continues after its end, at line {line}, column 8"),
    Row(b'{"x" 1}', (), "a colon is missing, at line {line}, column 6"),
    Row(b'{"x":1 "y":2}', (), "a comma or a closing bracket is missing, at line {line}, column 8"),
    Row(b"{x:1}", (), "a name in double quotes is missing, at line {line}, column 2"),
    Row(b"{'x':1}", (), "a name in double quotes is missing, at line {line}, column 2"),
    Row(b'{"x":}', (), "a value is missing, at line {line}, column 6"),
    Row(b'{"x":01}', (), "a comma or a closing bracket is missing, at line {line}, column 7"),
    Row(b'{"x":+1}', (), "a value is missing, at line {line}, column 6"),
    Row(b'{"x":"\\x"}', (), "a text has an invalid escape, at line {line}, column 7"),
    Row(b'{"x":"\\u12"}', (), "a text has an invalid escape, at line {line}, column 8"),
    Row(b'{"x":"\x00"}', (), "a text has a control character that is not escaped, at line {line}, column 7"),
    Row(b'{"x":"\n"}', (), "a text has a control character that is not escaped, at line {line}, column 7"),
)  # fmt: skip
"""What is no JSON; the message starts with "the body | is not valid JSON: "."""

OBSERVATION = (
    Row({"strings": "a"}, ("strings",), "strings | must be an array"),
    Row({"strings": ["a", 1]}, ("strings", 1), "strings[1] | must be text"),
    Row({"strings": ["a"] * 1025}, ("strings",), "strings | must have at most 1024 items (MAX_STRINGS_PER_EVENT); split the event into several", "LIMIT_EXCEEDED"),
    Row({"strings": ["a", "x" * 1025]}, ("strings", 1), "strings[1] | must have at most 1024 characters (MAX_SYMBOL_CHARS)", "LIMIT_EXCEEDED"),
    Row({"vectors": [0.5]}, ("vectors", 0), "vectors[0] | must be an array"),
    Row({"vectors": [[0.5], ["x"]]}, ("vectors", 1, 0), "vectors[1][0] | must be a number"),
    Row({"vectors": [[1], [0, -0.0]]}, ("vectors", 1), "vectors[1] | must not be all zeros: a zero vector has no direction to compare"),
    Row({"vectors": [[]]}, ("vectors", 0), "vectors[0] | must have at least one component"),
    Row({"vectors": [[1]], "vector_labels": ["a", "b"]}, ("vector_labels",), "vector_labels | must have at most as many items as vectors (1)"),
    Row({"vectors": [[1], [2]], "vector_labels": [None, ""]}, ("vector_labels", 1), "vector_labels[1] | must not be empty"),
    Row({"vectors": [[1]], "vector_labels": ["a" * 257]}, ("vector_labels", 0), "vector_labels[0] | must have at most 256 characters"),
    Row({"vectors": [[1]], "vector_labels": [7]}, ("vector_labels", 0), "vector_labels[0] | must be text"),
    Row({"vectors": [[1]] * 17}, ("vectors",), "vectors | must have at most 16 items (MAX_VECTORS_PER_OBSERVATION)", "LIMIT_EXCEEDED"),
    Row({"vectors": [[1], [1] * 4097]}, ("vectors", 1), "vectors[1] | must have at most 4096 components (MAX_VECTOR_DIMENSIONS)", "LIMIT_EXCEEDED"),
    Row({"vectors": [[1, 2], [1, 2, 3]]}, ("vectors", 1), "vectors[1] | cannot have dimension 3 next to a first vector of dimension 2; all vectors of a knowledge base have one dimension", "VECTOR_DIMENSION"),
    Row({"emotives": ["joy"]}, ("emotives",), "emotives | must be an object"),
    Row({"emotives": {"joy": "x"}}, ("emotives", "joy"), "joy of emotives | must be a number"),
    Row({"emotives": {"a\nb": True}}, ("emotives", "a\nb"), '"a\\nb" of emotives | must be a number'),
    Row({"emotives": {str(i): 1 for i in range(65)}}, ("emotives",), "emotives | must have at most 64 names", "LIMIT_EXCEEDED"),
    Row({"emotives": {str(i): 1 for i in range(10_001)}}, ("emotives",), "emotives | must not have more than 10000 entries"),
    Row({"emotives": {"x" * 257: 1}}, ("emotives", "x" * 64), f"{'x' * 64} of emotives | is a name of more than 256 characters", "LIMIT_EXCEEDED"),
    Row({"metadata": "x"}, ("metadata",), "metadata | must be an object"),
    Row(b'{"metadata":{"k":' + b"[" * 247 + b"]" * 247 + b"}}", ("metadata", "k"), "k of metadata | must not be nested more than 246 levels deep"),
    Row({"strngs": []}, ("strngs",), "strngs | is not a known field; did you mean strings?", strict_only=True),
    Row({"Emotive": {}}, ("Emotive",), "Emotive | is not a known field; did you mean emotives?", strict_only=True),
    Row({"zzz": 1}, ("zzz",), "zzz | is not a known field; known: {known}", strict_only=True),
    Row({"strings": [7], "emotives": {"joy": None}, "vectors": 1}, ("strings", 0), "strings[0] | must be text (and 2 more problems)"),
)  # fmt: skip
"""Rows for an observation, alone or in a sequence."""

UNIQUE_ID = (
    Row({"unique_id": 7}, ("unique_id",), "unique_id | must be text"),
    Row({"unique_id": ""}, ("unique_id",), "unique_id | must not be empty"),
    Row({"unique_id": "x" * 257}, ("unique_id",), "unique_id | must have at most 256 characters"),
)

GENES = (
    Row({"recall_threshold": "x"}, ("recall_threshold",), "recall_threshold | must be a number"),
    Row({"recall_threshold": 1.5}, ("recall_threshold",), "recall_threshold | must be at most 1"),
    Row({"max_predictions": 0}, ("max_predictions",), "max_predictions | must be at least 1"),
    Row({"max_predictions": 1.5}, ("max_predictions",), "max_predictions | must be a whole number"),
    Row({"persistence": 101}, ("persistence",), "persistence | must be at most 100"),
    Row({"max_pattern_length": 2**63}, ("max_pattern_length",), "max_pattern_length | must be at most 2147483647"),
    Row({"stm_mode": "x"}, ("stm_mode",), "stm_mode | must be KEEP_LAST, CLEAR or ROLLING"),
    Row({"sort_symbols": 1}, ("sort_symbols",), "sort_symbols | must be true or false"),
    Row({"sort": 1}, ("sort",), "sort | must be true or false"),
    Row({"sort": True, "sort_symbols": True}, ("sort",), "sort | means the same as sort_symbols; send only one of them"),
    Row({"vector_neighbors": -1}, ("vector_neighbors",), "vector_neighbors | must be at least 0"),
    Row({"vector_min_score": -1.5}, ("vector_min_score",), "vector_min_score | must be at least -1"),
    Row({"vector_absorb_similarity": 1.5}, ("vector_absorb_similarity",), "vector_absorb_similarity | must be at most 1"),
    Row({"recal_treshold": 1}, ("recal_treshold",), "recal_treshold | is not a known field; did you mean recall_threshold?", of_gene=True),
    Row({"recallThreshold": 1}, ("recallThreshold",), "recallThreshold | is not a known field; did you mean recall_threshold?", of_gene=True),
    Row({"smothness": 1}, ("smothness",), "smothness | is not a known field; did you mean smoothness?", of_gene=True),
    Row({"persistence": 7, "smoothness": 11}, ("smoothness",), "smoothness | must be at most 10"),
    Row({"quiescence": -1, "persistence": 7}, ("quiescence",), "quiescence | must be at least 0"),
    Row({"search_depth": 1.5}, ("search_depth",), "search_depth | must be a whole number"),
    Row({"auto_act_method": "x"}, ("auto_act_method",), "auto_act_method | must be none, threshold, pattern or adaptive"),
    Row({"process_predictions": "x"}, ("process_predictions",), "process_predictions | must be true or false"),
    Row({"use_token_matching": 1}, ("use_token_matching",), "use_token_matching | must be true or false"),
    Row({"indexer_type": "HNSW"}, ("indexer_type",), "indexer_type | must be VI, LSH, ANNOY or FAISS"),
    Row({"filter_pipeline": ["bloom", "x"]}, ("filter_pipeline", 1), "filter_pipeline[1] | must be minhash, length, jaccard, bloom or rapidfuzz"),
    Row({"filter_pipeline": "bloom"}, ("filter_pipeline",), "filter_pipeline | must be an array"),
    Row({"length_max_ratio": 0.5}, ("length_max_ratio",), "length_max_ratio | must be at least 1"),
    Row({"jaccard_min_overlap": 0}, ("jaccard_min_overlap",), "jaccard_min_overlap | must be at least 1"),
    Row({"minhash_num_hashes": 257}, ("minhash_num_hashes",), "minhash_num_hashes | must be at most 256"),
    Row({"bloom_false_positive_rate": 0.2}, ("bloom_false_positive_rate",), "bloom_false_positive_rate | must be at most 0.1"),
    Row({"max_candidates_per_stage": 99}, ("max_candidates_per_stage",), "max_candidates_per_stage | must be at least 100"),
    Row({"vector_search_limit": 0}, ("vector_search_limit",), "vector_search_limit | must be at least 1"),
    Row({"affinity_emotive": ""}, ("affinity_emotive",), "affinity_emotive | must not be empty"),
    Row({"fuzzy_token_threshold": 1.5}, ("fuzzy_token_threshold",), "fuzzy_token_threshold | must be at most 1"),
)  # fmt: skip


def _in_sequence(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    before, place = b'{"observations":[{},{},{},{},{},', ("observations", 5)
    return tuple(row.inside(before, b"]}", place, "observations[5]") for row in rows)


def _in(field: str, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    before = b'{"%s":' % field.encode()
    return tuple(row.inside(before, b"}", (field,), field) for row in rows)


SEQUENCE = (
    Row({}, ("observations",), "Missing required field: observations"),
    Row({"observations": {}}, ("observations",), "observations | must be an array"),
    Row({"observations": [{}, 7]}, ("observations", 1), "observations[1] | must be an object"),
    Row({"observations": [{}] * 1001}, ("observations",), "observations | must have at most 1000 items"),
    Row({"observations": [], "learn_after_each": 1}, ("learn_after_each",), "learn_after_each | must be true or false"),
    Row({"observations": [], "learn_at_end": "x"}, ("learn_at_end",), "learn_at_end | must be true or false"),
    Row({"observations": [], "clear_stm_between": None}, ("clear_stm_between",), "clear_stm_between | must be true or false"),
    Row({"observations": [], "unique_id": 7}, ("unique_id",), "unique_id | must be text"),
    Row({"observations": [], "learn_at_the_end": True}, ("learn_at_the_end",), "learn_at_the_end | is not a known field; did you mean learn_at_end?", strict_only=True),
    Row({"observations": [{"vectors": [[1, 2]]}, {}, {"vectors": [[2, 1], [1]]}]}, ("observations", 2, "vectors", 1), "vectors[1] of observations[2] | cannot have dimension 1 next to a first vector of dimension 2; all vectors of a knowledge base have one dimension", "VECTOR_DIMENSION"),
    Row({"observations": [{"unique_id": 7}]}, ("observations", 0, "unique_id"), "unique_id of observations[0] | must be text", strict_only=True),
    *_in_sequence(OBSERVATION),
)  # fmt: skip

SESSION = (
    Row({"user_id": 7}, ("user_id",), "user_id | must be text"),
    Row({"user_id": ""}, ("user_id",), "user_id | must not be empty"),
    Row({"user_id": "a\u0000"}, ("user_id",), "user_id | must consist of printable characters"),
    Row({"user_id": "."}, ("user_id",), "user_id | must not be . or .., which no path of the API could name"),
    Row({"node_id": "x" * 257}, ("node_id",), "node_id | must have at most 256 characters"),
    Row({"node_id": "a", "user_id": "b"}, ("node_id",), "node_id | means the same as user_id; send only one of them", strict_only=True),
    Row({"metadata": []}, ("metadata",), "metadata | must be an object"),
    Row({"metadata": {"k": "x" * 16_384}}, ("metadata",), "metadata | must have at most 16384 bytes as JSON (MAX_METADATA_BYTES)", "LIMIT_EXCEEDED"),
    Row({"ttl_seconds": 0}, ("ttl_seconds",), "ttl_seconds | must be at least 1"),
    Row({"config": 7}, ("config",), "config | must be an object"),
    Row({"userId": "a"}, ("userId",), "userId | is not a known field; did you mean user_id?", strict_only=True),
    Row({"ttl": 7}, ("ttl",), "ttl | is not a known field; did you mean ttl_seconds?", strict_only=True),
    *_in("config", GENES),
)  # fmt: skip

EITHER = "must have either events or observations"
PREDICT = (
    Row({}, (), f"the body | {EITHER}"),
    Row({"events": [], "observations": []}, (), f"the body | {EITHER}"),
    Row({"events": {}}, ("events",), "events | must be an array"),
    Row({"events": [["a"], "b"]}, ("events", 1), "events[1] | must be an array"),
    Row({"events": [["a"], ["b", 1]]}, ("events", 1, 1), "events[1][1] | must be text"),
    Row({"events": [[]] * 1001}, ("events",), "events | must have at most 1000 items"),
    Row({"observations": {}}, ("observations",), "observations | must be an array"),
    Row({"observations": [{}, 7]}, ("observations", 1), "observations[1] | must be an object"),
    Row({"observations": [{}] * 1001}, ("observations",), "observations | must have at most 1000 items"),
    Row({"observations": [{"unique_id": 7}]}, ("observations", 0, "unique_id"), "unique_id of observations[0] | must be text"),
    Row({"events": [], "user_id": 7}, ("user_id",), "user_id | must be text"),
    Row({"events": [], "user_id": ""}, ("user_id",), "user_id | must not be empty"),
    Row({"events": [], "user_id": "a\u0000"}, ("user_id",), "user_id | must consist of printable characters"),
    Row({"events": [], "user_id": ".."}, ("user_id",), "user_id | must not be . or .., which no path of the API could name"),
    Row({"events": [], "user_id": "x" * 257}, ("user_id",), "user_id | must have at most 256 characters"),
    Row({"events": [], "limit": 0}, ("limit",), "limit | must be at least 1"),
    Row({"events": [], "limit": 10_001}, ("limit",), "limit | must be at most 10000"),
    Row({"events": [], "limit": "x"}, ("limit",), "limit | must be a whole number"),
    Row({"events": [], "recall_threshold": 1.5}, ("recall_threshold",), "recall_threshold | must be at most 1"),
    Row({"events": [], "recall_threshold": "x"}, ("recall_threshold",), "recall_threshold | must be a number"),
    Row({"events": [], "fields": ["name"]}, ("fields",), "fields | must be text"),
    Row({"events": [], "fields": "x" * 1025}, ("fields",), "fields | must have at most 1024 characters"),
    Row({"events": [], "fields": "name,potentail"}, ("fields", "potentail"), "potentail of fields | is not a known field; did you mean potential?"),
    Row({"events": [], "fields": "name,all"}, ("fields", "all"), "all of fields | stands alone: send it, or names of fields"),
    Row({"events": [], "view": "next", "fields": "symbls"}, ("fields", "symbls"), "symbls of fields | is not a known field; did you mean symbols?"),
    Row({"events": [], "view": "x"}, ("view",), "view | must be predictions or next"),
    Row({"events": [], "offset": -1}, ("offset",), "offset | must be at least 0"),
    Row({"events": [], "offset": 100_001}, ("offset",), "offset | must be at most 100000"),
    Row({"events": [], "offset": 0.5}, ("offset",), "offset | must be a whole number"),
    Row({"events": [], "explain": 1}, ("explain",), "explain | must be true or false"),
    Row({"events": [], "labels": "x"}, ("labels",), "labels | must be true or false"),
    Row({"events": [], "config": 7}, ("config",), "config | must be an object"),
    Row({"evnts": []}, ("evnts",), "evnts | is not a known field; did you mean events?"),
    Row({"events": [], "userId": "a"}, ("userId",), "userId | is not a known field; did you mean user_id?"),
    *_in("config", GENES),
)  # fmt: skip
"""Rows for what is wrong with a prediction whatever is known."""


PREDICT_OBSERVED = (
    Row({"events": [["a"], ["b", "x" * 1025]]}, ("events", 1, 1), "events[1][1] | must have at most 1024 characters (MAX_SYMBOL_CHARS)", "LIMIT_EXCEEDED"),
    Row({"events": [[], ["a"] * 1025]}, ("events", 1), "events[1] | must have at most 1024 items (MAX_STRINGS_PER_EVENT); split the event into several", "LIMIT_EXCEEDED"),
    Row({"observations": [{"vectors": [[1, 2]]}, {}, {"vectors": [[2, 1], [1]]}]}, ("observations", 2, "vectors", 1), "vectors[1] of observations[2] | cannot have dimension 1 next to a first vector of dimension 2; all vectors of a knowledge base have one dimension", "VECTOR_DIMENSION"),
    *_in_sequence(OBSERVATION),
)  # fmt: skip
"""Rows for what a prediction is asked about; in a batch, most of them are errors of the item."""

LINE = (
    Row({}, (), f"the body | {EITHER}"),
    Row({"events": [["a"]], "observations": []}, (), f"the body | {EITHER}"),
    Row({"observations": [], "emotives": {"joy": 1}}, (), "the body | must have emotives and metadata inside its observations"),
    Row({"observations": [], "metadata": {"k": 1}}, (), "the body | must have emotives and metadata inside its observations"),
    Row({"events": {}}, ("events",), "events | must be an array"),
    Row({"events": [["a"], "b"]}, ("events", 1), "events[1] | must be an array"),
    Row({"events": [["a"], ["b", 1]]}, ("events", 1, 1), "events[1][1] | must be text"),
    Row({"events": [[]] * 1001}, ("events",), "events | must have at most 1000 items"),
    Row({"events": [["a"], ["b", "x" * 1025]]}, ("events", 1, 1), "events[1][1] | must have at most 1024 characters (MAX_SYMBOL_CHARS)", "LIMIT_EXCEEDED"),
    Row({"events": [[], ["a"] * 1025]}, ("events", 1), "events[1] | must have at most 1024 items (MAX_STRINGS_PER_EVENT); split the event into several", "LIMIT_EXCEEDED"),
    Row({"events": [["a"]], "emotives": ["joy"]}, ("emotives",), "emotives | must be an object"),
    Row({"events": [["a"]], "emotives": {"joy": "x"}}, ("emotives", "joy"), "joy of emotives | must be a number"),
    Row({"events": [["a"]], "emotives": {str(i): 1 for i in range(65)}}, ("emotives",), "emotives | must have at most 64 names", "LIMIT_EXCEEDED"),
    Row({"events": [["a"]], "metadata": "x"}, ("metadata",), "metadata | must be an object"),
    Row({"events": [["a"]], "user_id": 7}, ("user_id",), "user_id | must be text"),
    Row({"events": [["a"]], "user_id": ""}, ("user_id",), "user_id | must not be empty"),
    Row({"events": [["a"]], "user_id": "a\u0000"}, ("user_id",), "user_id | must consist of printable characters"),
    Row({"events": [["a"]], "user_id": "x" * 257}, ("user_id",), "user_id | must have at most 256 characters"),
    Row({"events": [["a"]], "config": 7}, ("config",), "config | must be an object"),
    Row({"evnts": []}, ("evnts",), "evnts | is not a known field; did you mean events?"),
    Row({"observations": {}}, ("observations",), "observations | must be an array"),
    Row({"observations": [{}, 7]}, ("observations", 1), "observations[1] | must be an object"),
    Row({"observations": [{}] * 1001}, ("observations",), "observations | must have at most 1000 items"),
    Row({"observations": [{"vectors": [[1, 2]]}, {}, {"vectors": [[2, 1], [1]]}]}, ("observations", 2, "vectors", 1), "vectors[1] of observations[2] | cannot have dimension 1 next to a first vector of dimension 2; all vectors of a knowledge base have one dimension", "VECTOR_DIMENSION"),
    *UNIQUE_ID,
    *_in("config", GENES),
    *_in_sequence(OBSERVATION),
)  # fmt: skip
"""Rows for a line of a bulk learn."""


def in_item(field: str, first: Any, row: Row) -> Row:
    """*row* about a body that is the second one in the list *field*, after *first*."""
    second = f"{field}[1]"
    before = b'{"%s":[%s,' % (field.encode(), json.dumps(first).encode())
    found = row.inside(before, b"]}", (field, 1), second)
    if row.place:
        return found
    return replace(found, words=row.words.replace("the body |", f"{second} |"))


def _in_items(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple(in_item("items", {"events": []}, row) for row in rows)


FILTER = (
    Row({"symbols": "a"}, ("symbols",), "symbols | must be an array"),
    Row({"symbols": ["a", 1]}, ("symbols", 1), "symbols[1] | must be text"),
    Row({"symbols": ["a"] * 1001}, ("symbols",), "symbols | must have at most 1000 items"),
    Row({"prefix": {}}, ("prefix",), "prefix | must be an array"),
    Row({"prefix": ["a"]}, ("prefix", 0), "prefix[0] | must be an array"),
    Row({"prefix": [["a"], []]}, ("prefix", 1), "prefix[1] | must have at least 1 item"),
    Row({"prefix": [["a"], ["b", 1]]}, ("prefix", 1, 1), "prefix[1][1] | must be text"),
    Row({"prefix": [["a"]] * 1001}, ("prefix",), "prefix | must have at most 1000 items"),
    Row({"metadata": []}, ("metadata",), "metadata | must be an object"),
    Row({"min_frequency": -1}, ("min_frequency",), "min_frequency | must be at least 0"),
    Row({"min_frequency": 1.5}, ("min_frequency",), "min_frequency | must be a whole number"),
    Row({"max_frequency": "x"}, ("max_frequency",), "max_frequency | must be a whole number"),
    Row({"max_frequency": 2**31}, ("max_frequency",), "max_frequency | must be at most 2147483647"),
    *(
        row
        for name in ("learned_after", "learned_before", "first_learned_after", "first_learned_before")
        for row in (
            Row({name: 7}, (name,), f"{name} | must be text"),
            Row({name: "x" * 41}, (name,), f"{name} | must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z"),
            Row({name: "yesterday"}, (name,), f"{name} | {MOMENT}"),
            Row({name: "2026-01-31T12:00:00"}, (name,), f"{name} | {MOMENT}"),
        )
    ),
)  # fmt: skip
"""Rows for the conditions of a filter of patterns."""

ROWS: dict[type[BaseModel], tuple[Row, ...]] = {
    ObservationBody: (*OBSERVATION, *UNIQUE_ID),
    SequenceBody: SEQUENCE,
    RepeatableBody: UNIQUE_ID,
    OlderPredictionsBody: (
        *UNIQUE_ID,
        Row({"limit": 0}, ("limit",), "limit | must be at least 1"),
        Row({"limit": "x"}, ("limit",), "limit | must be a whole number"),
        Row({"recall_threshold": 1.5}, ("recall_threshold",), "recall_threshold | must be at most 1"),
        Row({"fields": ["name"]}, ("fields",), "fields | must be text"),
        Row({"fields": "name,potentail"}, ("fields", "potentail"), "potentail of fields | is not a known field; did you mean potential?"),
    ),
    ConfigBody: (
        Row({}, ("config",), "Missing required field: config", strict_only=True),
        Row({"config": []}, ("config",), "config | must be an object"),
        *_in("config", GENES),
    ),
    ConfigurationBody: (
        Row({}, ("config",), "Missing required field: config"),
        Row({"config": None}, ("config",), "config | must be an object"),
        *_in("config", GENES),
    ),
    GenesBody: (*GENES, Row({"genes": 7}, ("genes",), "genes | must be an object"), *_in("genes", GENES)),
    SessionBody: SESSION,
    ExtendBody: (
        Row({}, ("ttl_seconds",), "Missing required field: ttl_seconds", strict_only=True),
        Row({"ttl_seconds": "x"}, ("ttl_seconds",), "ttl_seconds | must be a whole number"),
        Row({"ttl_seconds": 86_401}, ("ttl_seconds",), "ttl_seconds | must be at most 86400"),
        Row({"ttl": 60}, ("ttl",), "ttl | is not a known field; did you mean ttl_seconds?", strict_only=True),
    ),
    NearestBody: (
        Row({}, ("vector",), "Missing required field: vector"),
        Row({"vector": [0.0, -0.0]}, ("vector",), "vector | must not be all zeros: a zero vector has no direction to compare"),
        Row({"vector": [1] * 4097}, ("vector",), "vector | must have at most 4096 components (MAX_VECTOR_DIMENSIONS)", "LIMIT_EXCEEDED"),
        Row({"vector": [1, "x"]}, ("vector", 1), "vector[1] | must be a number"),
        Row({"vector": [1], "limit": 1001}, ("limit",), "limit | must be at most 1000"),
        Row({"vector": [1], "min_score": -1.5}, ("min_score",), "min_score | must be at least -1"),
    ),
    PatternBody: (
        Row({"frequency": 1.5}, ("frequency",), "frequency | must be a whole number"),
        Row({"frequency": -1}, ("frequency",), "frequency | must be at least 0"),
        Row({"frequency": 2**31}, ("frequency",), "frequency | must be at most 2147483647"),
        Row({"emotives": {}}, ("emotives",), "emotives | must be an array"),
        Row({"emotives": [{}, {"joy": "x"}]}, ("emotives", 1, "joy"), "joy of emotives[1] | must be a number"),
        Row({"emotives": [{}] * 6}, ("emotives",), "emotives | must have at most 5 maps; send fewer, or raise the gene persistence", "LIMIT_EXCEEDED"),
        Row({"emotives": [{}, {"x" * 257: 1}]}, ("emotives", 1, "x" * 64), f"{'x' * 64} of emotives[1] | is a name of more than 256 characters", "LIMIT_EXCEEDED"),
        Row({"frequncy": 1}, ("frequncy",), "frequncy | is not a known field; did you mean frequency?", strict_only=True),
    ),
    SessionEditBody: (
        Row({}, ("metadata",), "Missing required field: metadata"),
        Row({"metadata": None}, ("metadata",), "metadata | must be an object"),
        Row({"metadata": ["x"]}, ("metadata",), "metadata | must be an object"),
        Row({"metadata": {"k": "x" * 16_384}}, ("metadata",), "metadata | must have at most 16384 bytes as JSON (MAX_METADATA_BYTES)", "LIMIT_EXCEEDED"),
        Row({"metadata": {str(i): 1 for i in range(10_001)}}, ("metadata",), "metadata | must not have more than 10000 entries"),
        Row(b'{"metadata":{"k":' + b"[" * 247 + b"]" * 247 + b"}}", ("metadata", "k"), "k of metadata | must not be nested more than 246 levels deep"),
        Row({"metadata": {}, "metdata": {}}, ("metdata",), "metdata | is not a known field; did you mean metadata?"),
        Row({"metadata": {}, "ttl_seconds": 7}, ("ttl_seconds",), "ttl_seconds | is not a known field; known: metadata"),
    ),
    PredictBody: (*PREDICT, *PREDICT_OBSERVED),
    PredictBatchBody: (
        Row({}, ("items",), "Missing required field: items"),
        Row({"items": {}}, ("items",), "items | must be an array"),
        Row({"items": []}, ("items",), "items | must have at least 1 item"),
        Row({"items": [{"events": []}] * 101}, ("items",), "items | must have at most 100 items"),
        Row({"items": [{"events": []}, 7]}, ("items", 1), "items[1] | must be an object"),
        Row({"items": [{"events": []}], "itms": []}, ("itms",), "itms | is not a known field; did you mean items?"),
        *_in_items(PREDICT),
    ),
    LearnBody: (
        Row({}, ("sequences",), "Missing required field: sequences"),
        Row({"sequences": {}}, ("sequences",), "sequences | must be an array"),
        Row({"sequences": [{}] * 1001}, ("sequences",), "sequences | must have at most 1000 items"),
        Row({"sequences": [], "sequence": []}, ("sequence",), "sequence | is not a known field; did you mean sequences?"),
        Row({"sequences": [], "zzz": 1}, ("zzz",), "zzz | is not a known field; known: sequences"),
    ),
    DeletePatternsBody: (
        Row({}, (), f"the body | {CONDITION}"),
        Row({"symbols": [], "min_frequency": 0, "limit": 1}, (), f"the body | {CONDITION}"),
        *FILTER,
        Row({"symbols": ["a"], "dry_run": 1}, ("dry_run",), "dry_run | must be true or false"),
        Row({"symbols": ["a"], "limit": 0}, ("limit",), "limit | must be at least 1"),
        Row({"symbols": ["a"], "limit": 100_001}, ("limit",), "limit | must be at most 100000"),
        Row({"symbols": ["a"], "cursor": 7}, ("cursor",), "cursor | must be text"),
        Row({"symbols": ["a"], "cursor": "1" * 1025}, ("cursor",), "cursor | must have at most 1024 characters"),
        Row({"symbols": ["a"], "cursor": "x"}, ("cursor",), "cursor | must be the next_cursor of a page of this list"),
        Row({"symbol": ["a"]}, ("symbol",), "symbol | is not a known field; did you mean symbols?"),
        Row({"dryRun": True}, ("dryRun",), "dryRun | is not a known field; did you mean dry_run?"),
    ),
}  # fmt: skip
"""Rows by what the body is."""
