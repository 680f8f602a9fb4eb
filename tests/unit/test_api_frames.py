"""Which id a reply carries, whatever is wrong with its frame."""

import json
from typing import Any

import pytest

from kato_service.access.credentials import credential_in
from kato_service.api.frames import id_in, id_of
from kato_service.errors import UnauthorizedError

LARGE = "x" * 10_000


@pytest.mark.parametrize("frame_id", ["seven", "", 'ü\n"', 7, -1, 2.5, 2**53])
@pytest.mark.parametrize(
    "order",
    [
        ("id", "type", "payload"),
        ("type", "id", "payload"),
        ("payload", "type", "id"),
        ("payload", "id", "type"),
        ("id", "payload", "type"),
        ("type", "payload", "id"),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (" ,\n ", "\t: ")])
def test_the_edges_of_a_large_frame_show_its_id(
    frame_id: Any, order: tuple[str, ...], separators: tuple[str, str]
) -> None:
    payload = {"id": "inside", "strings": [LARGE, '"id":5}'], "metadata": {"a": 1, "id": 6}}
    fields = {"id": frame_id, "type": "observe", "payload": payload}
    raw = json.dumps({name: fields[name] for name in order}, separators=separators)
    assert id_in(raw.encode()) == frame_id


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"[]", b"\xff", b'"id":5', b'{"type":"ping"}', b'{"id":[5]}', b'{"id":true}',
        b'{"id":null,"type":"ping"}', b'{"payload":{"a":1,"id":5}}', b'{"payload":{"id":5}}',
        b'{"type":"observe","payload":{"a":1,"id":5}',
        b'{"type":"ping","note":",\\"id\\":5}"}', b'{"id":' + b"1" * 10_000 + b"}",
        b'{"id":"' + b"x" * 257 + b'"}', b"{" * 10_000, b'"' * 10_000, b',"id":' * 10_000,
    ],
)  # fmt: skip
def test_what_is_not_the_id_of_a_frame_is_not_taken_for_it(raw: bytes) -> None:
    assert id_in(raw) is None


def test_the_id_of_broken_json_is_found_at_its_beginning() -> None:
    assert id_in(b'{"type":"observe","id":3,"payload":{"emotives":{"a":NaN}}}') == 3
    assert id_in(b'{"id":"x","payload":') == "x"


@pytest.mark.parametrize(
    "value", [None, [], {}, {"id": None}, {"id": True}, {"id": {}}, {"id": 1e30}, {"id": "x" * 257}]
)
def test_an_id_that_is_not_valid_is_not_echoed(value: Any) -> None:
    assert id_of(value) is None


def test_a_sub_protocol_carries_a_key_or_a_token() -> None:
    found = credential_in(["kato", "kato.key.a2F0b19hYg"])
    assert found is not None
    assert (found.text, found.bearer) == (b"kato_ab", True)
    assert credential_in(["kato", "kato.key.YQ=="]) == credential_in(["kato.key.YQ", "kato"])
    assert credential_in(["kato", "soap"]) is None


@pytest.mark.parametrize(
    "offered",
    [
        ["kato.key.YQ"],
        ["kato", "kato.key."],
        ["kato", "kato.key.Y"],
        ["kato", "kato.key.Y Q"],
        ["kato", "kato.key.YR"],
        ["kato", "kato.key.a+b/"],
        ["kato", "kato.key.\udcff"],
        ["kato", "kato.key.YQ", "kato.key.Yg"],
    ],
)
def test_a_sub_protocol_that_carries_no_credential_is_refused(offered: list[str]) -> None:
    with pytest.raises(UnauthorizedError):
        credential_in(offered)
