"""Entries of configurations as documents, the same for every backend."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kato_service.knowledge.model.configurations import ConfigurationEntry, StoredEntry
from kato_service.knowledge.stores.documents import UNDECODABLE, Document, unreadable


def configuration_id(instance: str, revision: int) -> str:
    return f"{instance}:{revision:012}"


def end_of_configurations(instance: str) -> str:
    """Greater than the ``_id`` of every entry of the instance, and less than that of any other."""
    return f"{instance};"


def encoded_configuration(instance: str, revision: int, entry: ConfigurationEntry) -> Document:
    held = {"kb": entry.kb, "genes": entry.genes} if entry.kb else {}
    removes = {"removes": entry.removes} if entry.removes else {}
    return {
        "_id": configuration_id(instance, revision),
        "token": entry.token,
        "at": entry.at,
        **held,
        **removes,
    }


def decoded_configurations(documents: Iterable[Mapping[str, Any]]) -> Sequence[StoredEntry]:
    """Raises StoreUnavailableError: this version cannot read one of them."""
    try:
        return [StoredEntry(revision_in(each), _entry(each)) for each in documents]
    except UNDECODABLE as exc:
        raise unreadable("a configuration") from exc


def revision_in(document: Mapping[str, Any]) -> int:
    return int(document["_id"].rpartition(":")[2])


def _entry(document: Mapping[str, Any]) -> ConfigurationEntry:
    return ConfigurationEntry(
        token=document["token"],
        at=document["at"],
        kb=document.get("kb", ""),
        genes=document.get("genes", ""),
        removes=document.get("removes", 0),
    )
