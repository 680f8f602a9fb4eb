"""Settings about who may call, how often, and how much all callers share (access.md), and about
where they find an instance."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
)
from pydantic_settings import NoDecode

from kato_service.errors import SettingsError
from kato_service.settings.rules import networks, path_prefix, safe_url, without_blanks
from kato_service.settings.values import FromEnvironment, Words, words

AuthMode = Literal["none", "api_key", "token"]
ApiKey = Annotated[SecretStr, AfterValidator(without_blanks)]
ScopeWords = Annotated[
    tuple[Literal["read", "write", "metrics", "admin"], ...], NoDecode, BeforeValidator(words)
]
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(words), AfterValidator(networks)]
HttpsUrl = Annotated[str, AfterValidator(safe_url)]
RootPath = Annotated[str, AfterValidator(path_prefix)]
Claim = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")]
_KEYS = ("API_KEY", "API_KEY_FILE", "API_KEYS_FILE")
_TOKENS = (
    *("TOKEN_ISSUER", "TOKEN_AUDIENCE", "TOKEN_JWKS_URL", "TOKEN_CA_FILE"),
    *("TOKEN_JWKS_BEARER_FILE", "TOKEN_USER_CLAIM", "TOKEN_SCOPE_CLAIM", "TOKEN_SCOPES"),
    "TOKEN_ADMIN_SUBJECTS",
)


class AccessConfig(FromEnvironment):
    """Who may call."""

    auth_mode: AuthMode | None = Field(None, validation_alias="AUTH_MODE")
    """What clients must send. By default: token if TOKEN_ISSUER is set, else api_key if a key or a
    file of keys is set, else none."""
    api_key: ApiKey | None = Field(None, validation_alias="API_KEY")
    """A key that may do everything; clients send it as X-API-Key or Authorization: Bearer."""
    api_key_file: Path | None = Field(None, validation_alias="API_KEY_FILE")
    """File to read that key from, as Kubernetes mounts a Secret; read again when it changes."""
    api_keys_file: Path | None = Field(None, validation_alias="API_KEYS_FILE")
    """File of named keys with scopes, stored as hashes; `kato-service key` makes its lines. Read
    again when it changes."""
    token_issuer: HttpsUrl | None = Field(None, validation_alias="TOKEN_ISSUER")
    """Issuer of the tokens (JWT, claim iss), whose keys are discovered from it. By default that of
    the token in TOKEN_JWKS_BEARER_FILE, with TOKEN_JWKS_URL."""
    token_audience: Words = Field((), validation_alias="TOKEN_AUDIENCE")
    """Audiences (claim aud), separated by commas, of which a token must name one."""
    token_jwks_url: HttpsUrl | None = Field(None, validation_alias="TOKEN_JWKS_URL")
    """Address of the issuer's keys, instead of discovering it."""
    token_ca_file: Path | None = Field(None, validation_alias="TOKEN_CA_FILE")
    """Certificates (PEM) to trust for the issuer's addresses, instead of the system's."""
    token_jwks_bearer_file: Path | None = Field(None, validation_alias="TOKEN_JWKS_BEARER_FILE")
    """File of a token to send when fetching keys, as the API server of Kubernetes asks for."""
    token_user_claim: Claim = Field("sub", validation_alias="TOKEN_USER_CLAIM")
    """Claim that holds the user_id as which a caller acts."""
    token_scope_claim: Claim | None = Field(None, validation_alias="TOKEN_SCOPE_CLAIM")
    """Claim that holds the scopes; by default, every token has those of TOKEN_SCOPES."""
    token_scopes: ScopeWords = Field(("read", "write"), validation_alias="TOKEN_SCOPES")
    """Scopes of every token while no claim holds them, separated by commas."""
    token_admin_subjects: Words = Field((), validation_alias="TOKEN_ADMIN_SUBJECTS")
    """Subjects (claim sub), separated by commas, that have the scope admin."""

    rate_limit_per_s: Annotated[float, Field(ge=0.001, le=1e6)] | None = Field(
        None, validation_alias="RATE_LIMIT_PER_S"
    )
    """Requests and frames per second that a caller may send on average; by default, any number."""
    rate_limit_burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, validation_alias="RATE_LIMIT_BURST"
    )
    """Requests that it may send at once; by default those of two seconds."""
    rate_limit_by: Literal["key", "user", "address"] = Field(
        "key", validation_alias="RATE_LIMIT_BY"
    )
    """What counts as one caller: a key or token, the user it acts as, or an address."""
    trusted_proxies: Networks = Field((), validation_alias="TRUSTED_PROXIES")
    """Networks (CIDR), separated by commas, of proxies whose X-Forwarded-For is believed."""

    max_vector_knowledge_bases: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        100_000, validation_alias="MAX_VECTOR_KNOWLEDGE_BASES"
    )
    """Knowledge bases that may have vectors: anybody may name any number of users."""

    @property
    def auth(self) -> AuthMode:
        """The mode as chosen, or as it follows from what is set."""
        if self.auth_mode is not None:
            return self.auth_mode
        if self.token_issuer is not None:
            return "token"
        return "api_key" if self._given(_KEYS) else "none"

    def agree_on_access(self) -> None:
        """Raises SettingsError where variables about access contradict each other."""
        keys, tokens = self._given(_KEYS), self._given(_TOKENS)
        if self.auth == "none" and keys:
            raise SettingsError(
                f"AUTH_MODE: 'none' contradicts {keys[0]}, which is set; accepted: api_key, token,"
                " or no key"
            )
        if self.auth == "api_key" and not keys:
            raise SettingsError(
                "AUTH_MODE: 'api_key' needs a key; accepted: with API_KEYS_FILE, API_KEY_FILE or"
                " API_KEY"
            )
        if self.auth != "token" and tokens:
            raise SettingsError(
                f"{tokens[0]}: set, but this instance takes no tokens; accepted: unset, or with"
                " AUTH_MODE=token"
            )
        if self.auth == "token":
            if self.token_jwks_url is None or self.token_jwks_bearer_file is None:
                accepted = "the address of the tokens' issuer"
                self._require("TOKEN_ISSUER", self.token_issuer, accepted)
            self._require("TOKEN_AUDIENCE", self.token_audience, "audiences separated by commas")
        self._agree_on_rates()

    def _agree_on_rates(self) -> None:
        more = self._given(("RATE_LIMIT_BURST", "RATE_LIMIT_BY"))
        if self.rate_limit_per_s is None and more:
            raise SettingsError(
                f"{more[0]}: set without RATE_LIMIT_PER_S, so nothing is limited; accepted: with"
                " it, or unset"
            )

    def _require(self, name: str, value: object, accepted: str) -> None:
        if not value:
            raise SettingsError(
                f"{name}: missing, and AUTH_MODE=token needs it; accepted: {accepted}"
            )

    def _given(self, variables: Iterable[str]) -> list[str]:
        return [name for name in variables if name.lower() in self.model_fields_set]


class AddressConfig(FromEnvironment):
    """Where clients find this instance, and in which form."""

    root_path: RootPath | None = Field(None, validation_alias="ROOT_PATH")
    """Path below which a proxy publishes this instance, for example /kato: /docs and the OpenAPI
    documents use it. The proxy may remove it from the paths that it passes on, or leave it."""
    metrics_json: bool = Field(False, validation_alias="METRICS_JSON")
    """true answers /metrics with JSON, as other KATO versions do, where a request accepts any form
    (Accept: */*, or none). A request that names a form, as Prometheus does, gets that form."""
