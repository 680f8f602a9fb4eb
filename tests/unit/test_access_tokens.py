"""Tokens: which are accepted, as whom, and what happens when the issuer changes or is away."""

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jwt.warnings import InsecureKeyLengthWarning

from kato_service.access import issuer_keys
from kato_service.access.issuer_documents import IssuerAddress
from kato_service.access.issuer_keys import IssuerKeys
from kato_service.access.scopes import Caller, Scope
from kato_service.access.tokens import LEEWAY_S, MAX_VERIFIED, TokenRules, Tokens
from kato_service.errors import AuthUnavailableError, UnauthorizedError
from support.issuer import (
    Issuer,
    SigningKey,
    new_key,
    server_certificate,
    serving,
    signed,
    signed_with_public_key,
    unsigned,
)

NOW, A_DAY_S = int(time.time()), 86_400


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tokens(
    issuer: Issuer,
    clock: Any = time.monotonic,
    wait_s: float = issuer_keys.WAIT_S,
    **rules: Any,
) -> Tokens:
    given = {"audiences": ("kato", "also")} | rules
    keys = IssuerKeys(IssuerAddress(issuer.url), clock=clock, wait_s=wait_s)
    return Tokens(TokenRules(**given), keys)


async def refusal(verifying: Tokens, token: str) -> UnauthorizedError:
    with pytest.raises(UnauthorizedError) as refused:
        await verifying.caller(token.encode())
    assert refused.value.challenge == 'Bearer error="invalid_token"'
    return refused.value


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"])
async def test_a_token_of_each_asymmetric_algorithm_is_accepted(
    issuer: Issuer, algorithm: str
) -> None:
    issuer.keys = {}
    issuer.add_key("k", algorithm)
    caller = await tokens(issuer).caller(issuer.token("alice").encode())
    assert (caller.kind, caller.name, caller.user) == ("token", "alice", "alice")
    assert caller.scopes == {Scope.READ, Scope.WRITE}
    assert caller.until == pytest.approx(time.time() + 600 + LEEWAY_S, abs=5)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": NOW - 60}, "the token has expired"),
        ({"exp": None}, "the token lacks the claim exp"),
        ({"exp": "soon"}, "the token cannot be read"),
        ({"exp": float("inf")}, "the token cannot be read"),
        ({"exp": float("nan")}, "the token cannot be read"),
        ({"nbf": NOW + A_DAY_S}, "the token is not valid yet"),
        ({"iat": NOW + A_DAY_S}, "the token is not valid yet"),
        ({"aud": "other"}, "the token is for another audience"),
        ({"aud": ["other", "one"]}, "the token is for another audience"),
        ({"aud": None}, "the token lacks the claim aud"),
        ({"aud": []}, "the token lacks the claim aud"),
        ({"iss": "https://elsewhere.example"}, "the token is from another issuer"),
        ({"iss": None}, "the token lacks the claim iss"),
        ({"sub": None}, "the token lacks the claim sub"),
        ({"sub": ""}, "the claim sub of the token is no user id"),
        ({"sub": "a" * 257}, "the claim sub of the token is no user id"),
        ({"sub": "a\nb"}, "the claim sub of the token is no user id"),
    ],
)
async def test_a_token_that_is_not_for_now_or_for_us_is_refused(
    issuer: Issuer, claims: dict[str, Any], words: str
) -> None:
    error = await refusal(tokens(issuer), issuer.token(**claims))
    assert error.message == f"{words}; send a new one"


async def test_clocks_may_differ_a_little(issuer: Issuer) -> None:
    now = int(time.time())
    for claims in ({"exp": now - 5}, {"nbf": now + 10}):
        await tokens(issuer).caller(issuer.token(**claims).encode())


@pytest.mark.parametrize(
    "garbage", ["", "..", "a.b.c", "e30.e30.", "e30.e30.e30", "a" * 9000 + ".b.c", "é.é.é"]
)
async def test_what_is_no_token_is_refused(issuer: Issuer, garbage: str) -> None:
    await refusal(tokens(issuer), garbage)


async def test_a_forged_token_is_refused(issuer: Issuer) -> None:
    """None, HS256 with the public key, somebody else's key, a changed claim, another algorithm."""
    key = issuer.keys["k1"]
    claims = issuer.claims("alice")
    header, body, signature = issuer.token("alice").split(".")
    other_body = issuer.token("mallory").split(".")[1]
    for token in (
        unsigned(claims, kid="k1"),
        unsigned(claims),
        signed_with_public_key(key, claims),
        signed(SigningKey("k1", "RS256", new_key("RS256")), claims),
        signed(SigningKey("k1", "ES256", new_key("ES256")), claims),
        signed(SigningKey("k1", "RS512", key.private), claims),
        f"{header}.{other_body}.{signature}",
        f"{header}.{body}.",
        f"{header}.{body}.{signature[:-4]}",
    ):
        await refusal(tokens(issuer), token)


async def test_an_unknown_critical_header_is_refused(issuer: Issuer) -> None:
    token = signed(issuer.keys["k1"], issuer.claims("alice"), b64=True)
    await tokens(issuer).caller(token.encode())
    header = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"k1","crit":["x"],"x":1}').decode()
    parts = token.split(".")
    await refusal(tokens(issuer), ".".join([header.rstrip("="), *parts[1:]]))


async def test_keys_that_sign_nothing_safely_are_not_used(issuer: Issuer) -> None:
    weak = issuer.add_key("weak", bits=1024)
    secret = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"}
    encrypting = {**issuer.keys["k1"].published(), "kid": "enc", "use": "enc"}
    issuer.extra = [secret, encrypting, 7, {"kty": "RSA", "kid": "broken", "n": 7, "e": "AQAB"}]
    verifying = tokens(issuer)
    with pytest.warns(InsecureKeyLengthWarning):
        by_weak = signed(weak, issuer.claims("alice"))
    by_encrypting = SigningKey("enc", "RS256", issuer.keys["k1"].private)
    for token in (by_weak, signed(by_encrypting, issuer.claims("alice"))):
        error = await refusal(verifying, token)
        assert "a key that its issuer does not publish" in error.message
    await verifying.caller(issuer.token("alice").encode())


async def test_a_token_without_key_id_fits_the_only_key(issuer: Issuer) -> None:
    nameless = SigningKey("", "RS256", issuer.keys["k1"].private)
    await tokens(issuer).caller(signed(nameless, issuer.claims("a")).encode())
    issuer.add_key("k2")
    await refusal(tokens(issuer), signed(nameless, issuer.claims("a")))


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "openid kato:read"}, {Scope.READ}),
        ({"scope": ["write", 7, "x"]}, {Scope.READ, Scope.WRITE}),
        ({"scope": "kato:metrics"}, {Scope.METRICS}),
        ({"scope": "openid profile"}, set()),
        ({"scope": {"read": True}}, set()),
        ({"scope": 7}, set()),
        ({}, set()),
    ],
)
async def test_a_claim_grants_scopes(
    issuer: Issuer, claims: dict[str, Any], scopes: set[Scope]
) -> None:
    verifying = tokens(issuer, scope_claim="scope")
    caller = await verifying.caller(issuer.token("alice", **claims).encode())
    assert caller.scopes == scopes
    assert caller.user == "alice"


async def test_admins_are_named_by_claim_or_by_subject(issuer: Issuer) -> None:
    verifying = tokens(issuer, scope_claim="roles", admin_subjects=frozenset({"root"}))
    by_claim = await verifying.caller(issuer.token("a", roles=["admin"]).encode())
    by_subject = await verifying.caller(issuer.token("root").encode())
    for caller in (by_claim, by_subject):
        assert caller.is_admin
        assert caller.user is None


async def test_another_claim_can_name_the_user(issuer: Issuer) -> None:
    verifying = tokens(issuer, user_claim="email")
    caller = await verifying.caller(issuer.token("42", email="a@example.com").encode())
    assert (caller.name, caller.user) == ("42", "a@example.com")
    await refusal(verifying, issuer.token("42"))
    await refusal(verifying, issuer.token("42", email=["a@example.com"]))


async def test_a_verified_token_is_remembered_until_it_expires(issuer: Issuer) -> None:
    clock = Clock()
    clock.now = time.time()
    keys = IssuerKeys(IssuerAddress(issuer.url))
    rules = TokenRules(("kato",))
    verifying = Tokens(rules, keys, clock=clock)
    token = issuer.token("alice").encode()
    assert await verifying.caller(token) is await verifying.caller(token)
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    clock.now += 600 + LEEWAY_S + 1
    assert "has expired" in (await refusal(verifying, token.decode())).message


async def test_remembered_tokens_are_bounded(issuer: Issuer) -> None:
    issuer.keys = {}
    issuer.add_key("k", "EdDSA")
    verifying = tokens(issuer)
    for number in range(MAX_VERIFIED + 3):
        await verifying.caller(issuer.token(f"user {number}").encode())
    assert len(verifying._verified) == MAX_VERIFIED


async def test_a_new_key_is_found_at_once_and_a_withdrawn_one_soon(issuer: Issuer) -> None:
    verifying = tokens(issuer)
    old = issuer.token("alice").encode()
    await verifying.caller(old)
    del issuer.keys["k1"]
    issuer.add_key("k2", "ES256")
    await verifying.caller(issuer.token("alice").encode())
    assert "does not publish" in (await refusal(verifying, old.decode())).message


async def test_invented_key_ids_do_not_make_us_ask_again_and_again(issuer: Issuer) -> None:
    clock = Clock()
    verifying = tokens(issuer, clock)
    await verifying.caller(issuer.token("alice").encode())
    before = len(issuer.asked)
    for number in range(50):
        invented = SigningKey(f"x{number}", "RS256", issuer.keys["k1"].private)
        await refusal(verifying, signed(invented, issuer.claims("alice")))
    assert len(issuer.asked) == before + 2
    clock.now += issuer_keys.LOOK_AGAIN_S
    await refusal(verifying, signed(SigningKey("y", "RS256", new_key("RS256")), {"sub": "a"}))
    assert len(issuer.asked) == before + 4


async def test_without_the_issuer_tokens_are_neither_right_nor_wrong(issuer: Issuer) -> None:
    issuer.status = 500
    verifying = tokens(issuer)
    with pytest.raises(AuthUnavailableError) as unavailable:
        await verifying.caller(issuer.token("alice").encode())
    assert unavailable.value.retryable
    assert unavailable.value.retry_after_s
    assert verifying.problem == "the issuer answered 500"


async def test_known_keys_outlive_an_outage_of_the_issuer_for_a_day(issuer: Issuer) -> None:
    clock = Clock()
    verifying = tokens(issuer, clock)
    await verifying.caller(issuer.token("alice").encode())
    issuer.status = 500
    clock.now += issuer_keys.KEPT_S - 1
    token = issuer.token("bob").encode()
    await verifying.caller(token)
    clock.now += 2
    with pytest.raises(AuthUnavailableError):
        await verifying.caller(token)


async def test_waiting_for_the_issuer_is_bounded(issuer: Issuer) -> None:
    issuer.delay_s = 5.0
    verifying = tokens(issuer, wait_s=0.2)
    token = issuer.token("alice").encode()
    began = time.monotonic()
    asked = [verifying.caller(token) for _ in range(issuer_keys.MAX_WAITING + 10)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert time.monotonic() - began < issuer.delay_s
    assert {type(outcome) for outcome in outcomes} == {AuthUnavailableError}
    assert len(issuer.asked) <= 1
    await verifying.close()


async def test_keys_are_fetched_in_the_background_before_anybody_asks(issuer: Issuer) -> None:
    verifying = tokens(issuer)
    running = asyncio.create_task(verifying.run())
    async with asyncio.timeout(10):
        while verifying.problem is not None:
            await asyncio.sleep(0.01)
    issuer.status = 500
    await verifying.caller(issuer.token("alice").encode())
    running.cancel()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"announced": {"issuer": "https://elsewhere.example"}}, "another issuer's than"),
        ({"announced": {"jwks_uri": "http://elsewhere.example/keys"}}, "no https address"),
        ({"announced": {"jwks_uri": None}}, "no https address"),
        ({"keys": {}}, "no RSA, EC or Ed25519 key"),
        ({"status": 302}, "the issuer answered 302"),
        ({"extra": ["x" * 2**20]}, "more than 1048576 bytes"),
        ({"bearer": "needed"}, "the issuer answered 401"),
    ],
)
async def test_what_an_issuer_publishes_is_checked(
    issuer: Issuer, change: dict[str, Any], words: str
) -> None:
    token = issuer.token("alice").encode()
    for name, value in change.items():
        setattr(issuer, name, value)
    verifying = tokens(issuer)
    with pytest.raises(AuthUnavailableError):
        await verifying.caller(token)
    assert words in str(verifying.problem)
    assert "127.0.0.1" not in str(verifying.problem)


@pytest.fixture
def secure_issuer(tmp_path: Path) -> Iterator[tuple[Issuer, Path]]:
    """As the API server of a cluster: TLS by an authority of its own, and a token to read keys."""
    context, ca_file = server_certificate(tmp_path)
    made = Issuer(bearer="the pod's token", content_type="application/jwk-set+json")
    made.add_key()
    running = serving(made, context=context)
    next(running)
    yield made, ca_file
    next(running, None)


async def test_keys_of_a_cluster_need_its_authority_and_the_pods_token(
    secure_issuer: tuple[Issuer, Path], tmp_path: Path
) -> None:
    issuer, ca_file = secure_issuer
    bearer = tmp_path / "token"
    bearer.write_text("the pod's token\n")
    subject = "system:serviceaccount:shop:robot"
    rules = TokenRules(("kato",))
    for key_set_url in (None, f"{issuer.url}/keys"):
        keys = IssuerKeys(IssuerAddress(issuer.url, key_set_url, ca_file, bearer))
        caller = await Tokens(rules, keys).caller(issuer.token(subject).encode())
        assert caller.user == subject


async def test_the_pods_token_names_the_issuer_if_nobody_else_does(
    secure_issuer: tuple[Issuer, Path], tmp_path: Path
) -> None:
    issuer, ca_file = secure_issuer
    issuer.bearer = issuer.token("the pod")
    bearer = tmp_path / "token"
    bearer.write_text(issuer.bearer)
    keys = IssuerKeys(IssuerAddress(None, f"{issuer.url}/keys", ca_file, bearer))
    verifying = Tokens(TokenRules(("kato",)), keys)
    assert (await verifying.caller(issuer.token("alice").encode())).user == "alice"
    foreign = issuer.token("alice", iss="https://elsewhere.example")
    assert "from another issuer" in str(await refusal(verifying, foreign))


@pytest.mark.parametrize("content", ["no token", "a.b.c", "e30.e30.c"])
async def test_a_file_whose_token_names_no_issuer_is_named_by_its_variable(
    secure_issuer: tuple[Issuer, Path], tmp_path: Path, content: str
) -> None:
    issuer, ca_file = secure_issuer
    bearer = tmp_path / "token"
    bearer.write_text(content)
    keys = IssuerKeys(IssuerAddress(None, f"{issuer.url}/keys", ca_file, bearer))
    with pytest.raises(AuthUnavailableError):
        await keys.key("k1")
    assert keys.problem == "TOKEN_JWKS_BEARER_FILE holds no token that names its issuer"


@pytest.mark.parametrize(
    ("ca", "bearer", "words"),
    [
        (False, True, "its certificate is not trusted"),
        (True, False, "the issuer answered 401"),
    ],
)
async def test_a_cluster_that_cannot_be_read_says_why(
    secure_issuer: tuple[Issuer, Path], tmp_path: Path, ca: bool, bearer: bool, words: str
) -> None:
    issuer, ca_file = secure_issuer
    token = tmp_path / "token"
    token.write_text("the pod's token")
    address = IssuerAddress(issuer.url, None, ca_file if ca else None, token if bearer else None)
    keys = IssuerKeys(address)
    with pytest.raises(AuthUnavailableError):
        await keys.key("k1")
    assert words in str(keys.problem)


@pytest.mark.parametrize("missing", ["ca", "bearer"])
async def test_a_file_that_is_missing_is_named_by_its_variable(
    issuer: Issuer, tmp_path: Path, missing: str
) -> None:
    gone = tmp_path / "gone"
    address = (
        IssuerAddress(issuer.url, ca_file=gone)
        if missing == "ca"
        else IssuerAddress(issuer.url, bearer_file=gone)
    )
    keys = IssuerKeys(address)
    with pytest.raises(AuthUnavailableError):
        await keys.key("k1")
    variable = {"ca": "TOKEN_CA_FILE", "bearer": "TOKEN_JWKS_BEARER_FILE"}[missing]
    assert str(keys.problem).startswith(variable)


def test_a_caller_of_a_token_is_called_by_its_subject() -> None:
    assert str(Caller("token", "alice", frozenset())) == "token 'alice'"
