"""Answers of the protocols themselves, to bytes that never became a request of the application."""

from dataclasses import dataclass
from http import HTTPStatus

from kato_service import json_text
from kato_service.api import errors


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused before the application sees it."""

    status: HTTPStatus
    message: str
    code: str = "VALIDATION_ERROR"
    retry_after_s: int | None = None

    def body(self, request_id: str) -> bytes:
        """The envelope."""
        retryable = self.retry_after_s is not None
        return json_text.text(
            errors.refusal(self.message, request_id, code=self.code, retryable=retryable)
        )

    def answer(self, request_id: str) -> bytes:
        """The whole answer, which announces that the connection closes."""
        body = self.body(request_id)
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"x-request-id: {request_id}",
            "connection: close",
        ]
        if self.retry_after_s is not None:
            lines.append(f"retry-after: {self.retry_after_s}")
        return "\r\n".join((*lines, "", "")).encode() + body
