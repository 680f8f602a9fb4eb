"""Erasures as documents, the same for every backend; one of all instances holds the floor."""

from collections.abc import Mapping
from typing import Any

from kato_service.knowledge.model.erasures import Erasure
from kato_service.knowledge.stores.documents import UNDECODABLE, Document, unreadable

FLOOR = "floor"
"""The ``_id`` of the document that holds the revision after which new logs begin."""


def erasure_id(instance: str, own: str) -> str:
    return f"{instance}:{own}"


def encoded_erasure(instance: str, erasure: Erasure) -> Document:
    under_way = {
        "kb": erasure.kb,
        "user": erasure.user,
        "token": erasure.token,
        "since": erasure.since,
        "touched": erasure.touched_at,
    }
    return {
        "_id": erasure_id(instance, erasure.id),
        "incarnation": erasure.incarnation,
        "revision": erasure.revision,
        **({} if erasure.is_done else under_way),
    }


def decoded_erasure(document: Mapping[str, Any]) -> Erasure:
    try:
        return Erasure(
            id=document["_id"].rpartition(":")[2],
            incarnation=document["incarnation"],
            revision=document["revision"],
            kb=document.get("kb", ""),
            user=document.get("user"),
            token=document.get("token", ""),
            since=document.get("since", 0),
            touched_at=document.get("touched", 0.0),
        )
    except UNDECODABLE as exc:
        raise unreadable("an erasure") from exc
