"""Who may call the service of a KatoInstance, and how often."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kato_operator.crd.parts import ATOMIC, SecretKey
from kato_operator.crd.rules import Model, Rule

HttpsUrl = Annotated[str, Field(max_length=1024, pattern=r"^(https://[^\s,]+)?$")]
Claim = Annotated[str, Field(max_length=256, pattern=r"^[!-~]*$")]
Word = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s,]+$")]
Scope = Literal["read", "write", "metrics", "admin"]
Network = Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$")]


class Token(Model):
    """Which tokens (JWT) are accepted, and what they stand for."""

    source: Literal["Issuer", "Cluster"] = "Issuer"
    """Issuer: tokens of any OpenID Connect provider; Cluster: of service accounts."""
    issuer: HttpsUrl = ""
    """Claim iss of the tokens, from which keys are discovered; required with source Issuer.
    With Cluster, empty: that of the pods' own tokens."""
    audiences: Annotated[
        tuple[Word, ...], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)
    ] = ("kato",)
    """Audiences, of which a token must name one in its claim aud."""
    jwks_url: Annotated[HttpsUrl, Field(alias="jwksURL")] = ""
    """Address of the issuer's keys; empty: discovered, or that of the cluster's API server."""
    user_claim: Annotated[Claim, Field(min_length=1)] = "sub"
    """Claim with the user as which a caller acts."""
    scope_claim: Claim = ""
    """Claim with the scopes; empty: every token has those of scopes."""
    scopes: Annotated[
        tuple[Scope, ...], Field(min_length=1, max_length=4, json_schema_extra=ATOMIC)
    ] = ("read", "write")
    """Scopes of every token while scopeClaim is empty."""
    admin_subjects: Annotated[tuple[Word, ...], Field(max_length=64, json_schema_extra=ATOMIC)] = ()
    """Values of the claim sub that have the scope admin."""
    ca_secret_ref: SecretKey | None = None
    """Certificates (PEM) to trust for the issuer; absent: those of the image, or the cluster's."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.source == 'Cluster' || (has(self.issuer) && self.issuer != '')",
            "issuer is required with source Issuer",
            "issuer",
            lambda token: token.source == "Cluster" or token.issuer != "",
        ),
    )


class Auth(Model):
    """What clients must send."""

    mode: Literal["None", "ApiKey", "Token"] = "None"
    """ApiKey: clients must send an API key; Token: a token, or one of the keys referred to here."""
    api_key_secret_ref: SecretKey | None = None
    """Secret with one API key that may do everything; absent: generated, with mode ApiKey."""
    api_keys_secret_ref: SecretKey | None = None
    """Secret with the file of named keys, with scopes and hashes; then no key is generated."""
    token: Token | None = None
    """Tokens that are accepted; required with mode Token."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.mode != 'Token' || has(self.token)",
            "token is required with mode Token",
            "token",
            lambda auth: auth.mode != "Token" or auth.token is not None,
        ),
    )

    @property
    def takes_one_key(self) -> bool:
        """Whether the service has the one key that may do everything."""
        if self.api_key_secret_ref is not None:
            return self.mode != "None"
        return self.mode == "ApiKey" and self.api_keys_secret_ref is None

    @property
    def takes_named_keys(self) -> bool:
        return self.mode != "None" and self.api_keys_secret_ref is not None

    @property
    def accepted_tokens(self) -> Token | None:
        return self.token if self.mode == "Token" else None


class RateLimit(Model):
    """How often callers may come."""

    requests_per_second: Annotated[int, Field(ge=1, le=1_000_000)]
    """Requests per second that a caller may send on average."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests that a caller may send at once; absent: those of two seconds."""
    by: Literal["Key", "User", "Address"] = "Key"
    """What counts as one caller."""
