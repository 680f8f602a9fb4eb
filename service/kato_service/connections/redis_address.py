"""Where a Redis is and who asks it: what a URL says, as `RedisConnection` needs it."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kato_service import __version__
from kato_service.errors import SettingsError

Command = Sequence[str | bytes | int | float]

DEFAULT_PORT = 6379
CLIENT_NAME = "kato-service"
"""As which CLIENT LIST shows a connection, unless the URL has a `client_name`."""
_IGNORED = {
    *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "socket_read_size"),
    *("max_connections", "health_check_interval", "retry_on_timeout", "timeout", "protocol"),
    *("encoding", "encoding_errors", "decode_responses", "lib_name", "lib_version"),
}
"""Options of other clients that have no meaning here, or that settings decide."""
_VERIFIED = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How `rediss://` verifies the server and identifies itself; None: as Python does it."""

    verify: ssl.VerifyMode = ssl.CERT_REQUIRED
    check_hostname: bool = True
    ca_certs: str | None = None
    ca_path: str | None = None
    ca_data: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    password: str | None = field(default=None, repr=False)
    min_version: ssl.TLSVersion | None = None
    ciphers: str | None = None
    include_verify_flags: tuple[ssl.VerifyFlags, ...] = ()
    exclude_verify_flags: tuple[ssl.VerifyFlags, ...] = ()

    def context(self) -> ssl.SSLContext:
        """A new context, with the files as they are now; takes milliseconds.

        Raises:
            OSError, ValueError: A file cannot be read, or an option has no such value.
        """
        made = ssl.create_default_context()
        made.check_hostname = self.check_hostname and self.verify is not ssl.CERT_NONE
        made.verify_mode = self.verify
        for flag in self.include_verify_flags:
            made.verify_flags |= flag
        for flag in self.exclude_verify_flags:
            made.verify_flags &= ~flag
        if self.certfile or self.keyfile:
            made.load_cert_chain(self.certfile or "", self.keyfile, self.password)
        if self.ca_certs or self.ca_data or self.ca_path:
            made.load_verify_locations(self.ca_certs, self.ca_path, self.ca_data)
        if self.min_version is not None:
            made.minimum_version = self.min_version
        if self.ciphers is not None:
            made.set_ciphers(self.ciphers)
        return made


@dataclass(frozen=True, slots=True)
class RedisAddress:
    host: str
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    client_name: str = CLIENT_NAME
    tls: TlsOptions | None = None

    @classmethod
    def of(cls, url: str) -> "RedisAddress":
        """The address that a URL names.

        Raises:
            SettingsError: The URL has an unknown option, or one with a wrong value.
        """
        try:
            address = _parsed(url)
            if address.tls is not None:
                address.tls.context()
        except (KeyError, OSError, ValueError) as exc:
            raise SettingsError(
                "REDIS_URL: the URL has an unknown option or database, or one that cannot be used;"
                " accepted: redis://[user:password@]host[:port][/database]"
            ) from exc
        return address

    def greeting(self) -> list[Command]:
        """The first commands of a connection: credentials, database, name.

        Redis refuses the last two if it is too old or its user may not name connections: they are
        for people who look at CLIENT LIST.
        """
        commands: list[Command] = []
        if self.username is not None:
            commands.append(("AUTH", self.username, self.password or ""))
        elif self.password is not None:
            commands.append(("AUTH", self.password))
        if self.database:
            commands.append(("SELECT", self.database))
        commands.append(("CLIENT", "SETNAME", self.client_name))
        commands.append(("CLIENT", "SETINFO", "LIB-NAME", "kato"))
        commands.append(("CLIENT", "SETINFO", "LIB-VER", __version__))
        return commands


def _parsed(url: str) -> RedisAddress:
    parts = urlsplit(url)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    path = unquote(parts.path).strip("/")
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    with_tls = parts.scheme == "rediss"
    known = {"db", "username", "password", "client_name"} | (tls.keys() if with_tls else set())
    if options.keys() - known - _IGNORED:
        raise ValueError("an option is unknown")
    user, password = parts.username, parts.password
    return RedisAddress(
        host=unquote(parts.hostname or "localhost"),
        port=parts.port or DEFAULT_PORT,
        username=unquote(user) if user else options.get("username"),
        password=unquote(password) if password else options.get("password"),
        database=int(options.get("db", path or 0)),
        client_name=options.get("client_name", CLIENT_NAME),
        tls=_tls_options(tls) if with_tls else None,
    )


def _tls_options(given: Mapping[str, str]) -> TlsOptions:
    found = {}
    for option, value in given.items():
        name, parsed = _TLS_OPTIONS[option]
        found[name] = parsed(value)
    return TlsOptions(**found)


def _boolean(value: str) -> bool:
    return value.upper() not in ("0", "F", "FALSE", "N", "NO")


def _flags(value: str) -> tuple[ssl.VerifyFlags, ...]:
    return tuple(ssl.VerifyFlags[name] for name in value.strip("[] ").replace(" ", "").split(","))


_TLS_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ssl_cert_reqs": ("verify", lambda value: _VERIFIED[value]),
    "ssl_check_hostname": ("check_hostname", _boolean),
    "ssl_ca_certs": ("ca_certs", str),
    "ssl_ca_path": ("ca_path", str),
    "ssl_ca_data": ("ca_data", str),
    "ssl_certfile": ("certfile", str),
    "ssl_keyfile": ("keyfile", str),
    "ssl_password": ("password", str),
    "ssl_min_version": ("min_version", lambda value: ssl.TLSVersion(int(value))),
    "ssl_ciphers": ("ciphers", str),
    "ssl_include_verify_flags": ("include_verify_flags", _flags),
    "ssl_exclude_verify_flags": ("exclude_verify_flags", _flags),
}
"""Options of `rediss://` by the names that redis-py gave them: the field, and how it is read."""
