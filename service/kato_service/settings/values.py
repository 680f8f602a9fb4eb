"""Types of single values of the environment, and the checks that make them."""

import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kato_service.models.described import DescribedFields

MAX_S = 1e8
"""Three years: timers cannot be set for much longer times."""
Seconds = Annotated[float, Field(gt=0, le=MAX_S)]
SecondsOrNone = Annotated[float, Field(ge=0, le=MAX_S)]
_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^\s/?#@\[\]:,*]+)(:(?P<port>\d{1,5}))?/?", re.IGNORECASE
)


def in_64_bits(value: int) -> int:
    """*value*, if JSON and C can hold it as a signed integer."""
    if value >= 2**63:
        raise ValueError(f"{str(value)[:20]}… is above 2^63 - 1")
    return value


def words(value: object) -> object:
    """The words that commas separate in *value*, at least one."""
    if not isinstance(value, str):
        return value
    found = tuple(word.strip() for word in value.split(",") if word.strip())
    if not found:
        raise ValueError(f"{value[:60]!r} is not accepted")
    return found


def origins(given: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each is the origin of a page, or ``*``."""
    for each in given:
        found = _ORIGIN.fullmatch(each)
        port = found["port"] if found else None
        if each != "*" and (found is None or not 0 < int(port or 1) < 2**16):
            raise ValueError(f"{each[:60]!r} is not an origin")
    return given


def database_number(url: SecretStr) -> SecretStr:
    """Check that the path of a Redis URL is empty or a number: Redis' client ignores others."""
    path = urlsplit(url.get_secret_value()).path.strip("/")
    if path and not (path.isascii() and path.isdecimal()):
        raise ValueError("the path of the URL is not the number of a database")
    return url


def bare_url(url: SecretStr) -> SecretStr:
    """Check that a URL has no query and no fragment, which nobody would look at."""
    parts = urlsplit(url.get_secret_value())
    if parts.query or parts.fragment:
        raise ValueError("the URL has a query or a fragment")
    return url


def url_in(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    """A check that a URL has one of *schemes*, a host and valid ports."""

    def check(url: SecretStr) -> SecretStr:
        if not _is_url(url.get_secret_value(), schemes):
            raise ValueError("the value is not such a URL")
        return url

    return check


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        scheme = urlsplit(text).scheme
        authority = urlsplit(text).netloc.rpartition("@")[2]
        hosts = authority.split(",")
        ports_fit = all(urlsplit(f"//{host}").port != 0 for host in hosts)
    except ValueError:
        return False
    return scheme in schemes and ports_fit and all(urlsplit(f"//{host}").hostname for host in hosts)


Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
PositiveInt = Annotated[int, Field(gt=0), AfterValidator(in_64_bits)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(words)]
Origins = Annotated[Words, AfterValidator(origins)]
RedisUrl = Annotated[
    SecretStr, AfterValidator(url_in("redis", "rediss")), AfterValidator(database_number)
]
MongoUrl = Annotated[SecretStr, AfterValidator(url_in("mongodb", "mongodb+srv"))]
QdrantUrl = Annotated[SecretStr, AfterValidator(url_in("http", "https")), AfterValidator(bare_url)]


class FromEnvironment(DescribedFields, BaseSettings):
    """A group of settings, read from environment variables."""

    model_config = SettingsConfigDict(
        frozen=True,
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )
