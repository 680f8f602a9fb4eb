"""Named keys: their file, their hashes, and what happens when the file changes."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kato_service.access.audit import AuditLog
from kato_service.access.key_lines import MAX_KEYS, key_lines
from kato_service.access.key_ring import KeyRing
from kato_service.access.keys import PREFIX, ApiKeys, key_line, new_key
from kato_service.access.scopes import Scope
from kato_service.access.watched_file import MAX_FILE_BYTES, WatchedFile, lines_of
from kato_service.errors import UnusableError


def line(key: str, /, **fields: Any) -> str:
    known = {"name": "app", "sha256": sha256(key.encode()).hexdigest(), "scopes": ["read"]}
    return json.dumps({name: it for name, it in (known | fields).items() if it is not None})


def keys(*lines: str) -> ApiKeys:
    return ApiKeys(key_lines("\n".join(lines).encode()))


def test_a_key_stands_for_the_caller_of_its_line() -> None:
    found = keys(line("k1", user="alice"), line("k2", name="other", scopes=["metrics"]))
    first, second = found.caller(b"k1"), found.caller(b"k2")
    assert first is not None
    assert second is not None
    assert (first.name, first.user, first.scopes) == ("app", "alice", {Scope.READ})
    assert (second.name, second.user, second.scopes) == ("other", None, {Scope.METRICS})


@pytest.mark.parametrize("wrong", [b"", b"K1", b"k1 ", b"k11", sha256(b"k1").hexdigest().encode()])
def test_any_other_key_is_nobodys(wrong: bytes) -> None:
    assert keys(line("k1")).caller(wrong) is None


def test_a_new_key_fits_its_line_and_is_not_in_it() -> None:
    key = new_key()
    made = key_line(key, name="app", scopes=["write", "read"], user="alice")
    caller = keys(made.model_dump_json()).caller(key.encode())
    assert caller is not None
    assert caller.user == "alice"
    assert key.startswith(PREFIX)
    assert len(key) >= 48
    assert key not in made.model_dump_json()
    assert new_key() != key


def test_a_file_may_hold_comments_blank_lines_or_one_array() -> None:
    lines = [line("k1"), line("k2", name="b")]
    commented = f"# keys of the shop\n\n{lines[0]}\r\n{lines[1]}\n"
    assert len(key_lines(commented.encode())) == 2
    assert key_lines(f" [{lines[0]},\n {lines[1]}]".encode()) == key_lines(commented.encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file holds no key"),
        ("# nothing\n", "the file holds no key"),
        ("[]", "the file holds no key"),
        ("{", "line 1 is not JSON (Expecting property name enclosed in double quotes"),
        ("\n7", "line 2 is not a JSON object"),
        ("[7]", "key 1 is not a JSON object"),
        ('{"a": 1, "a": 2}', "line 1 has the field 'a' twice"),
        ("[" * 100_000, "the array"),
        ('{"n": ' + "9" * 5000 + "}", "line 1 is not a key"),
        (line("k", sha256="k"), "line 1: sha256 is not accepted; accepted: the SHA-256 of the key"),
        (line("k", sha256="A" * 64), "line 1: sha256 is not accepted"),
        (line("k", sha256=None), "line 1: sha256 is missing; accepted: the SHA-256"),
        (line("k", name="a b"), "line 1: name is not accepted; accepted: 1 to 64 of"),
        (line("k", name=""), "line 1: name is not accepted"),
        (line("k", scopes=[]), "line 1: scopes is not accepted; accepted: a list of read, write"),
        (line("k", scopes="read"), "line 1: scopes is not accepted"),
        (line("k", scopes=["root"]), "line 1: scopes is not accepted"),
        (line("k", user=""), "line 1: user is not accepted; accepted: 1 to 256 printable"),
        (line("k", user="a\nb"), "line 1: user is not accepted"),
        (line("k", user=".."), "line 1: user is not accepted"),
        (line("k", user=7), "line 1: user is not accepted"),
        (line("k", key="k"), "line 1: the field 'key' is unknown; known are name, sha256"),
        (line("k", user="a", scopes=["admin"]), "line 1: the key has a user and the scope admin"),
        (f"{line('k')}\n{line('l')}", "the name 'app' is given to two keys"),
        (f"{line('k')}\n{line('k', name='b')}", "two keys have the same sha256"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(content: str, words: str) -> None:
    with pytest.raises(UnusableError) as refused:
        key_lines(content.encode())
    assert words in refused.value.message
    assert sha256(b"k").hexdigest() not in refused.value.message


def test_a_file_that_is_no_text_or_too_long_is_refused() -> None:
    with pytest.raises(UnusableError, match="not UTF-8"):
        key_lines(b"\xff")
    many = "\n".join(line(str(it), name=f"k{it}") for it in range(MAX_KEYS + 1))
    with pytest.raises(UnusableError, match=f"more than {MAX_KEYS} keys"):
        key_lines(many.encode())


def mounted(directory: Path, content: str) -> Path:
    """A file as the kubelet mounts a Secret: links to a folder that is swapped as a whole."""
    path = directory / "keys"
    if not path.is_symlink():
        path.symlink_to("..data/keys")
    swap(directory, content)
    return path


def swap(directory: Path, content: str) -> None:
    folder = directory / f"..{len(list(directory.iterdir()))}"
    folder.mkdir()
    (folder / "keys").write_text(content)
    (directory / "..next").symlink_to(folder.name)
    (directory / "..next").rename(directory / "..data")


async def test_a_swapped_mount_replaces_the_keys(tmp_path: Path) -> None:
    file = WatchedFile("API_KEYS_FILE", mounted(tmp_path, line("old")), key_lines)
    ring = KeyRing(AuditLog(), named_keys=file)
    assert ring.caller(b"old") is not None
    swap(tmp_path, line("new"))
    await ring.poll()
    assert ring.caller(b"old") is None
    assert ring.caller(b"new") is not None
    assert file.problem is None


@pytest.mark.parametrize("content", ["", "{", "[]", "x" * (MAX_FILE_BYTES + 1)], ids=len)
async def test_a_broken_file_leaves_the_last_good_keys(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_text(line("good"))
    file = WatchedFile("API_KEYS_FILE", path, key_lines)
    ring = KeyRing(AuditLog(), named_keys=file)
    path.write_text(content)
    await ring.poll()
    assert ring.caller(b"good") is not None
    assert file.problem
    path.write_text(line("better"))
    await ring.poll()
    assert ring.caller(b"better") is not None
    assert file.problem is None


async def test_a_file_that_is_gone_leaves_its_key_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")
    file = WatchedFile("API_KEY_FILE", path, lines_of)
    ring = KeyRing(AuditLog(), only_key_file=file)
    path.unlink()
    await ring.poll()
    assert ring.caller(b"first") is not None
    assert file.problem == "the file cannot be read (No such file or directory)"
    path.write_text("first\n")
    await ring.poll()
    assert file.problem is None
    assert ring.caller(b"first") is not None


async def test_the_one_key_is_replaced_while_both_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")
    ring = KeyRing(AuditLog(), only_key_file=WatchedFile("API_KEY_FILE", path, lines_of))
    path.write_text("second\nfirst\n")
    await ring.poll()
    found = [ring.caller(key) for key in (b"first", b"second")]
    assert [caller is not None and caller.is_admin for caller in found] == [True, True]
    path.write_text("second\n")
    await ring.poll()
    assert ring.caller(b"first") is None


async def test_the_one_key_of_an_instance_may_do_everything_beside_named_ones(
    tmp_path: Path,
) -> None:
    (tmp_path / "keys").write_text(line("named"))
    file = WatchedFile("API_KEYS_FILE", tmp_path / "keys", key_lines)
    ring = KeyRing(AuditLog(), only_key="the one", named_keys=file)
    one = ring.caller(b"the one")
    assert one is not None
    assert one.is_admin
    assert len(ring) == 2
