"""The verbs of the API server that the operator uses: the only user of the Kubernetes client."""

import asyncio
import json
import math
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import client, config

from kato_operator.cluster.packed import PackedList
from kato_operator.cluster.refusals import mapped_errors, refusal
from kato_operator.errors import MissingError, TransientError
from kato_operator.kinds import EVENT, POD, Kind
from kato_operator.manifests import Manifest

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json"
PLAIN = {"Accept": JSON, "Content-Type": JSON}
PARTIAL = "application/json;as={};g=meta.k8s.io;v=v1"
"""What asks for metadata alone."""
CHUNK = 500
"""Objects per page of a list."""
WATCH_S = 300
"""Seconds after which the server ends a watch."""
CONNECT_S = 10.0
DRAIN_S = 5.0
"""Seconds that requests on their way may still take when the operator stops."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything of one kind at one resourceVersion."""

    items: Sequence[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A report of a watch; *type* is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Manifest


@dataclass(slots=True)
class Writes:
    """The requests of a block that have changed something."""

    count: int = 0


_writes: ContextVar[Writes | None] = ContextVar("writes", default=None)


@contextmanager
def counted_writes() -> Iterator[Writes]:
    """Count what this block, and the tasks that it starts, changes with success."""
    token = _writes.set(counted := Writes())
    try:
        yield counted
    finally:
        _writes.reset(token)


class TokenBucket:
    """A limit of *rate* requests per second on average, and of *rate* at once."""

    def __init__(self, rate: float, *, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = rate
        self._filled_at = clock()

    def take(self) -> float:
        """Take one token; the seconds to wait until it is available."""
        now = self._clock()
        self._tokens = min(self._rate, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)


class Kube:
    """A client of one API server; every call has a timeout and obeys the rate limit.

    Every method raises `KubeError`, of the kind that `errors` explains.

    Args:
        manager: Field manager of all writes.
        rate: Requests per second.
        timeout_s: Seconds that one request may take; a watch has its own limit.
        excluded: Namespaces that lists and watches of all namespaces leave out.
    """

    def __init__(
        self,
        api: client.ApiClient,
        *,
        manager: str,
        rate: float,
        timeout_s: float,
        excluded: Iterable[str] = (),
    ) -> None:
        self._api = api
        self._manager = manager
        self._bucket = TokenBucket(rate, clock=asyncio.get_running_loop().time)
        self._timeout_s = timeout_s
        self._included = ",".join(f"metadata.namespace!={name}" for name in excluded)
        self._writes: set[asyncio.Task[Manifest]] = set()
        self.may_write_s: Callable[[], float] = lambda: math.inf
        """Gives the seconds for which a request may change something, 0 or less if none may."""

    @classmethod
    async def connect(
        cls, *, manager: str, rate: float, timeout_s: float, excluded: Iterable[str] = ()
    ) -> Self:
        """A client with the pod's service account, or with the file that KUBECONFIG names."""
        configuration = client.Configuration()
        configuration.retries = None  # the work queue retries: never in two layers
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            file = os.environ.get("KUBECONFIG")
            await config.load_kube_config(file, client_configuration=configuration)  # type: ignore[no-untyped-call]
        api = client.ApiClient(configuration)
        return cls(api, manager=manager, rate=rate, timeout_s=timeout_s, excluded=excluded)

    @property
    def has_ipv6(self) -> bool:
        """Whether the API server's address is an IPv6 one; in a pod, then those of pods are too."""
        host = urlsplit(self._api.configuration.host).hostname or ""
        try:
            return ip_address(host).version == 6
        except ValueError:
            return False

    async def close(self) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """The object as the server has it now; None when there is none."""
        try:
            return await self._request("GET", kind.path(namespace, name))
        except MissingError:
            return None

    async def list(self, kind: Kind, *, namespace: str = "", selector: str = "") -> Listing:
        """All objects of a kind as of one resourceVersion, read page by page."""
        items = PackedList()
        selectors = {"labelSelector": selector, "fieldSelector": self._fields(namespace)}
        query = _query(**selectors, limit=str(CHUNK))
        while True:
            accept = _accept(kind, "PartialObjectMetadataList")
            page = await self._request("GET", kind.path(namespace), query=query, accept=accept)
            for item in page["items"] or ():  # null where a list of metadata is empty
                items.append(_typed(kind, item))
            more = page["metadata"].get("continue", "")
            if not more:
                return Listing(items, page["metadata"]["resourceVersion"])
            query = _query(**selectors, limit=str(CHUNK), **{"continue": more})

    async def peek(self, kind: Kind, *, namespace: str = "") -> None:
        """List at most one object of a kind, to find out whether it can be listed at all.

        Raises:
            MissingError: The API server does not serve the kind.
        """
        await self._request("GET", kind.path(namespace), query=_query(limit="1"))

    async def events_about(self, namespace: str, uid: str) -> tuple[Manifest, ...]:
        """The Events about one object, in no order."""
        query = _query(fieldSelector=f"involvedObject.uid={uid}", limit=str(CHUNK))
        page = await self._request("GET", EVENT.path(namespace), query=query)
        return tuple(page["items"])

    async def watch(
        self, kind: Kind, since: str, *, namespace: str = "", selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        """Events since a resourceVersion, until the server ends the stream.

        Raises:
            ExpiredError: *since* is too old; list again.
        """
        query = _query(
            watch="true",
            resourceVersion=since,
            allowWatchBookmarks="true",
            timeoutSeconds=str(WATCH_S),
            labelSelector=selector,
            fieldSelector=self._fields(namespace),
        )
        timeout = aiohttp.ClientTimeout(
            total=WATCH_S + 30, connect=CONNECT_S, sock_read=WATCH_S + 15
        )
        accept = _accept(kind, "PartialObjectMetadata")
        with mapped_errors():
            response = await self._open(
                "GET", kind.path(namespace), query, None, {"Accept": accept}, timeout
            )
            try:
                async for line in _lines(response.content):
                    yield _watch_event(json.loads(line))
            finally:
                response.close()

    async def apply(self, kind: Kind, manifest: Manifest, *, manager: str = "") -> Manifest:
        """Server-side apply with force, as our field manager unless another is named."""
        meta = manifest["metadata"]
        query = _query(fieldManager=manager or self._manager, force="true")
        path = kind.path(meta["namespace"], meta["name"])
        return await self._request("PATCH", path, query=query, body=manifest, content_type=APPLY)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object; an existing one is never overwritten.

        Raises:
            ConflictError: An object of this name exists.
        """
        query = _query(fieldManager=self._manager)
        path = kind.path(manifest["metadata"]["namespace"])
        return await self._request("POST", path, query=query, body=manifest)

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        """Merge-patch an object or its subresource."""
        return await self._request(
            "PATCH",
            kind.path(namespace, name, subresource),
            query=_query(fieldManager=self._manager),
            body=patch,
            content_type=MERGE,
        )

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str, resource_version: str = ""
    ) -> None:
        """Delete this very object in the background; one that is gone already is no error.

        Raises:
            ConflictError: The object has another uid, or is not in the *resource_version* given.
        """
        seen = {"resourceVersion": resource_version} if resource_version else {}
        body = {"preconditions": {"uid": uid, **seen}, "propagationPolicy": "Background"}
        try:
            await self._request("DELETE", kind.path(namespace, name), body=body)
        except MissingError:
            return

    async def evict(self, namespace: str, name: str, *, uid: str) -> None:
        """Evict this very pod.

        Raises:
            TransientError: A disruption budget does not allow it now (status 429).
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = POD.path(namespace, name, "eviction")
        try:
            await self._request("POST", path, body=body)
        except MissingError:
            return

    async def direct(
        self, method: str, path: str, body: Manifest | None = None, *, timeout_s: float
    ) -> Manifest:
        """A request about the right to write: it needs neither that right nor a token."""
        return await self._send(method, path, (), body, PLAIN, timeout_s)

    async def drained(self) -> None:
        """Wait until no request is on its way that changes something."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=DRAIN_S)

    def _fields(self, namespace: str) -> str:
        return "" if namespace else self._included

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        body: Manifest | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Manifest:
        headers = {"Accept": accept, "Content-Type": content_type}
        await asyncio.sleep(self._bucket.take())
        if method == "GET":
            return await self._send(method, path, query, body, headers, self._timeout_s)
        timeout_s = min(self._timeout_s, self.may_write_s())
        if timeout_s <= 0:
            raise TransientError("this operator may not write: it does not hold the Lease or claim")
        # A cancelled request may still be carried out: so it is finished, and `drained` waits.
        write = asyncio.ensure_future(self._send(method, path, query, body, headers, timeout_s))
        self._writes.add(write)
        write.add_done_callback(self._written)
        answer = await asyncio.shield(write)
        if (counted := _writes.get()) is not None:
            counted.count += 1
        return answer

    def _written(self, write: asyncio.Task[Manifest]) -> None:
        self._writes.discard(write)
        if not write.cancelled():
            write.exception()  # nobody else asks if the pass was cancelled

    async def _send(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...],
        body: Manifest | None,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Manifest:
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(CONNECT_S, timeout_s))
        with mapped_errors():
            response = await self._open(method, path, query, body, headers, timeout)
            answer: Manifest = await response.json()
            return answer

    async def _open(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...],
        body: Manifest | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own, per phase
    ) -> aiohttp.ClientResponse:
        request = await self._api.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params=dict(headers),
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = await self._api.call_api(*request, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        if response.status >= 300:
            raise refusal(response.status, response.headers, await response.read())
        return response


def _query(**parameters: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in parameters.items() if value)


def _typed(kind: Kind, item: Manifest) -> Manifest:
    """The item with its apiVersion and kind, which the server leaves out in lists."""
    if kind.metadata_only:
        known = ("namespace", "name", "resourceVersion")
        return {"metadata": {name: item["metadata"][name] for name in known}}
    return {"apiVersion": kind.api_version, "kind": kind.name, **item}


def _accept(kind: Kind, partial: str) -> str:
    return PARTIAL.format(partial) if kind.metadata_only else JSON


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a stream, of any length: aiohttp's limit is below the size of some objects."""
    kept: list[bytes] = []
    async for chunk in content.iter_any():
        first, *rest = chunk.split(b"\n")
        kept.append(first)
        for piece in rest:
            yield b"".join(kept)
            kept = [piece]


def _watch_event(line: Manifest) -> WatchEvent:
    if line["type"] == "ERROR":
        status = line["object"]
        raise refusal(status.get("code", 500), {}, json.dumps(status).encode())
    return WatchEvent(line["type"], line["object"])
