"""HTTP requests that wait for an answer as long as a busy machine needs."""

from typing import Any

import httpx

PATIENCE_S = 60.0


def request(method: str, url: str, *, timeout: float = PATIENCE_S, **more: Any) -> httpx.Response:
    return httpx.request(method, url, timeout=timeout, **more)


def get(url: str, **more: Any) -> httpx.Response:
    return request("GET", url, **more)


def post(url: str, **more: Any) -> httpx.Response:
    return request("POST", url, **more)


def delete(url: str, **more: Any) -> httpx.Response:
    return request("DELETE", url, **more)
