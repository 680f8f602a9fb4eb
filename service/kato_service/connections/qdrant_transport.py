"""How the Qdrant client sends requests to a server. Importing this imports httpx."""

import httpx

from kato_service.connections.store_pool import PoolUsage


class CountingTransport(httpx.AsyncHTTPTransport):
    """Counts the requests in progress: httpx does not tell how many connections it has.

    A connection that somebody else answers is not kept. While a service of the cluster has no
    endpoints yet, its address may lead to a gateway, which would answer 404 for ever.
    """

    def __init__(self, max_size: int) -> None:
        super().__init__(
            limits=httpx.Limits(max_connections=max_size, max_keepalive_connections=max_size)
        )
        self._max = max_size
        self._in_flight = 0
        self._most = 0
        self._is_foreign = False
        """Whether the last answer was none of Qdrant's."""

    def usage(self) -> PoolUsage:
        """An estimate: httpx keeps as many connections as were ever in use at once."""
        in_use = min(self._in_flight, self._max)
        return PoolUsage(in_use, min(self._most, self._max) - in_use, self._max)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._in_flight += 1
        self._most = max(self._most, self._in_flight)
        if self._is_foreign:
            request.headers["Connection"] = "close"
        try:
            response = await super().handle_async_request(request)
            self._is_foreign = _is_foreign(response)
            return response
        finally:
            self._in_flight -= 1


def _is_foreign(response: httpx.Response) -> bool:
    """Whether a refusal is not in the form that Qdrant's have."""
    kind = response.headers.get("content-type", "")
    return response.status_code >= 400 and not kind.startswith("application/json")
