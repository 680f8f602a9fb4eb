"""Who may call the service of a KatoInstance, and how often."""

from ipaddress import ip_interface
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from kato_operator.crd.parts import SecretKey
from kato_operator.crd.rules import ATOMIC, AUTHORITY, Model, Rule

NOT_A_NETWORK: Final = "is not a network (for example 10.0.0.0/8, fd00::/8)"
URL_TEXT = r"[^\s,\x00-\x1f\x7f]"
HttpsUrl = Annotated[
    str, Field(max_length=1024, pattern=rf"^(https://{AUTHORITY}(/{URL_TEXT}*)?)?$")
]
Claim = Annotated[str, Field(max_length=256, pattern=r"^[!-~]*$")]
Word = Annotated[str, Field(min_length=1, max_length=512, pattern=rf"^{URL_TEXT}+$")]
Scope = Literal["read", "write", "metrics", "admin"]
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = rf"({OCTET}\.){{3}}{OCTET}(/(3[0-2]|[12]?[0-9]))?"
IPV6 = r"[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7}(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"


def _network(text: str) -> str:
    """The network; bits of a host in it count for nothing, as in most configurations."""
    try:
        given = ip_interface(text)
    except ValueError as error:
        raise PydanticCustomError("network", NOT_A_NETWORK) from error
    return text if given.ip == given.network.network_address else str(given.network)


Network = Annotated[
    str, Field(max_length=64, pattern=rf"^({IPV4}|{IPV6})$"), AfterValidator(_network)
]


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
