"""The parser of large bodies accepts and returns the same as that of small ones."""

import json

import pytest

from kato_service import json_text
from kato_service.api.intake import large_json


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":[1,-2.5,1e3,true,null,"\xc3\xa4"],"b":{}}',
        b"[18446744073709551616,123456789012345678901234567890,999999999999999999]",
        b'["\\ud83d\\ude00","\\u00e4"]',
        b'{"a":1,"a":2}',
    ],
)
def test_both_parsers_return_the_same_value(raw: bytes) -> None:
    assert large_json.parsed(raw) == json_text.parsed(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"[NaN]", id="NaN"),
        pytest.param(b"[-Infinity]", id="infinity"),
        pytest.param(b"[1e999]", id="real beyond a double"),
        pytest.param(b"[" + b"9" * 5000 + b"]", id="integer beyond a double"),
        pytest.param(b'["\\ud800"]', id="lone surrogate"),
        pytest.param(b'["\xed\xa0\x80"]', id="encoded surrogate"),
        pytest.param(b'["\x01"]', id="control character"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"[1] 2", id="two values"),
        pytest.param(b"\xef\xbb\xbf[]", id="byte order mark"),
    ],
)
def test_both_parsers_refuse_the_same_bodies(raw: bytes) -> None:
    for parsed in (large_json.parsed, json_text.parsed):
        with pytest.raises(json.JSONDecodeError):
            parsed(raw)
