"""A token issuer on this machine: keys, tokens, and the documents that it publishes."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

AUDIENCE = "kato"


def new_key(algorithm: str, bits: int = 2048) -> Any:
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    return ec.generate_private_key(curves[algorithm])


@dataclass
class SigningKey:
    key_id: str
    algorithm: str
    private: Any

    def published(self) -> dict[str, Any]:
        """The public key as a JWK."""
        public = get_default_algorithms()[self.algorithm].to_jwk(
            self.private.public_key(), as_dict=True
        )
        return {**public, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}


@dataclass
class Issuer:
    """Serves `/.well-known/openid-configuration` and `/keys`."""

    url: str = ""
    keys: dict[str, SigningKey] = field(default_factory=dict)
    extra: list[Any] = field(default_factory=list)
    """More entries of the key set."""
    status: int = 200
    delay_s: float = 0.0
    bearer: str | None = None
    """What callers must send."""
    content_type: str = "application/json"
    """Of every document; clients must accept it."""
    announced: dict[str, Any] = field(default_factory=dict)
    """Replaces fields of the discovery document."""
    asked: list[str] = field(default_factory=list)
    """Paths, in order."""

    def add_key(self, key_id: str = "k1", algorithm: str = "RS256", bits: int = 2048) -> SigningKey:
        self.keys[key_id] = SigningKey(key_id, algorithm, new_key(algorithm, bits))
        return self.keys[key_id]

    def token(self, subject: str = "alice", *, key: SigningKey | None = None, **claims: Any) -> str:
        """A token that is valid unless *claims* (None: leave it out) say otherwise."""
        key = key or next(iter(self.keys.values()))
        return signed(key, self.claims(subject, **claims))

    def claims(self, subject: str, **claims: Any) -> dict[str, Any]:
        now = int(time.time())
        valid = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "exp": now + 600, "iat": now}
        return {name: value for name, value in (valid | claims).items() if value is not None}

    def document(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.announced}
        return {"keys": [*(key.published() for key in self.keys.values()), *self.extra]}


def signed(key: SigningKey, claims: dict[str, Any], **headers: Any) -> str:
    return jwt.encode(claims, key.private, key.algorithm, {"kid": key.key_id, **headers})


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    """A token that claims to need no signature."""
    return ".".join([_part({"alg": "none", **header}), _part(claims), ""])


def signed_with_public_key(key: SigningKey, claims: dict[str, Any]) -> str:
    """HS256 with the public key as the secret, which everybody knows: a classic forgery."""
    secret = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parts = ".".join([_part({"alg": "HS256", "typ": "JWT", "kid": key.key_id}), _part(claims)])
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(parts.encode())
    return f"{parts}.{_base64(mac.finalize())}"


def _part(value: Any) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            time.sleep(issuer.delay_s)
            refused = issuer.bearer is not None and (
                self.headers.get("authorization") != f"Bearer {issuer.bearer}"
            )
            body = json.dumps(issuer.document(self.path)).encode()
            acceptable = issuer.content_type in str(self.headers.get("accept"))
            self.send_response(401 if refused else issuer.status if acceptable else 406)
            self.send_header("content-type", issuer.content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

    return Handler


def serving(issuer: Issuer, port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[None]:
    """Serve until the iterator is exhausted."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(issuer))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    issuer.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


def server_certificate(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS for 127.0.0.1 by an authority of its own, and the authority's certificate."""
    authority, authority_key = _certificate("an authority", None)
    certificate, key = _certificate("127.0.0.1", (authority, authority_key))
    ca_file, pair = directory / "ca.crt", directory / "server.pem"
    ca_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pair.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context, ca_file


def _certificate(
    name: str, by: tuple[x509.Certificate, Any] | None
) -> tuple[x509.Certificate, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if by is not None:
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))])
        builder = builder.add_extension(address, critical=False)
    return builder.sign(key if by is None else by[1], hashes.SHA256()), key


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer with one RS256 key, over HTTP."""
    made = Issuer()
    made.add_key()
    running = serving(made)
    next(running)
    yield made
    next(running, None)
