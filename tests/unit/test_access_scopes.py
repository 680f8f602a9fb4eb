"""What a caller may do, and as whom."""

import pytest

from kato_service.access.credentials import Credential, credential_of
from kato_service.access.scopes import ANYONE, GRANTED, Caller, Scope, with_included
from kato_service.errors import ForbiddenError


def caller(*scopes: Scope, user: str | None = None) -> Caller:
    return Caller("key", "app", with_included(scopes), user)


@pytest.mark.parametrize(
    ("granted", "may"),
    [
        (Scope.READ, {Scope.OPEN, Scope.READ}),
        (Scope.WRITE, {Scope.OPEN, Scope.READ, Scope.WRITE}),
        (Scope.METRICS, {Scope.OPEN, Scope.METRICS}),
        (Scope.ADMIN, set(Scope)),
    ],
)
def test_a_scope_allows_what_it_includes_and_nothing_else(granted: Scope, may: set[Scope]) -> None:
    for scope in Scope:
        if scope in may:
            caller(granted).require(scope)
        else:
            with pytest.raises(ForbiddenError) as refused:
                caller(granted).require(scope)
            has = ", ".join(one for one in GRANTED if one in may)
            assert refused.value.message == (
                f"this call needs the scope {scope}; key 'app' has {has}"
            )


def test_a_caller_without_scopes_is_told_so() -> None:
    with pytest.raises(ForbiddenError, match="token 'x' has no scope"):
        Caller("token", "x", frozenset()).require(Scope.READ)


def test_a_caller_acts_as_its_own_user_only() -> None:
    bound = caller(Scope.WRITE, user="alice")
    assert bound.acting_as(None) == bound.acting_as("alice") == "alice"
    with pytest.raises(ForbiddenError, match="key 'app' acts as user 'alice' only"):
        bound.acting_as("bob")
    assert [bound.sees(user) for user in ("alice", "bob", None)] == [True, False, False]


def test_a_caller_without_a_user_acts_as_the_instance_only() -> None:
    unbound = caller(Scope.WRITE)
    assert unbound.acting_as(None) is None
    with pytest.raises(ForbiddenError, match="acts as no user: name none"):
        unbound.acting_as("alice")
    assert [unbound.sees(user) for user in (None, "alice")] == [True, False]


def test_an_admin_and_anyone_of_an_open_instance_act_as_every_user() -> None:
    for one in (caller(Scope.ADMIN), ANYONE):
        assert [one.acting_as(user) for user in (None, "alice")] == [None, "alice"]
        assert one.sees(None)
        assert one.sees("alice")
        for scope in GRANTED:
            one.require(scope)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"x-api-key": ""}, None),
        ({"authorization": ""}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Bearerabc"}, None),
        ({"x-api-key": "k"}, Credential(b"k", bearer=False)),
        ({"authorization": "bearer  k "}, Credential(b"k", bearer=True)),
        ({"authorization": "BEARER k"}, Credential(b"k", bearer=True)),
        ({"authorization": "Bearer t", "x-api-key": "k"}, Credential(b"k", bearer=False)),
        ({"x-api-key": "", "authorization": "Bearer t"}, Credential(b"t", bearer=True)),
    ],
)
def test_credentials_come_in_two_headers(headers: dict[str, str], found: object) -> None:
    assert credential_of((k.encode(), v.encode()) for k, v in headers.items()) == found


def test_of_repeated_headers_the_first_counts() -> None:
    repeated = [(b"authorization", b"Bearer one"), (b"authorization", b"Bearer two")]
    assert credential_of(repeated) == Credential(b"one", bearer=True)


def test_only_three_parts_as_bearer_are_a_token() -> None:
    assert Credential(b"a.b.c", bearer=True).is_token_shaped
    assert not Credential(b"a.b.c", bearer=False).is_token_shaped
    assert not Credential(b"a.b", bearer=True).is_token_shaped
