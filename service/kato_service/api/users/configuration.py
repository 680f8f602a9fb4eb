"""Operations on what sessions of a user start with (http-api.md §6)."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from kato_service.access.scopes import Scope
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.shapes import rendering
from kato_service.api.shapes.requests import ConfigurationBody
from kato_service.api.users.addresses import user_of
from kato_service.api.users.responses import Configuration, ConfigurationDeleted
from kato_service.domain.genes import GeneValue
from kato_service.errors import LimitExceededError


async def get_configuration(call: Call, user_id: str) -> Response:
    base = _base_of(call, user_id)
    async with call.reading():
        found = await call.service.users.configurations.get(base)
    if found is None:
        return _response(user_id, base, {}, None)
    return _response(user_id, base, found.values, found.changed_at)


async def put_configuration(call: Call, user_id: str, body: ConfigurationBody) -> Response:
    base = _base_of(call, user_id)
    async with call.writing():
        await call.service.knowledge.create(base, user_id)
        stored = await call.service.users.configurations.put(base, body.config.chosen())
    ignored = rendering.ignored(body.config.ignored())
    return _response(user_id, base, stored.values, stored.changed_at, **ignored)


async def delete_configuration(call: Call, user_id: str) -> Response:
    base = _base_of(call, user_id)
    async with call.writing():
        await call.service.users.configurations.remove(base)
    return rendering.response({"status": "deleted", "user_id": user_id, "processor_id": base})


OF_USERS = (
    Operation(
        ("GET",), "/configuration", get_configuration, "Get what sessions of a user start with",
        Configuration, scope=Scope.READ,
    ),
    Operation(
        ("PUT",), "/configuration", put_configuration, "Set what sessions of a user start with",
        Configuration, (LimitExceededError,), scope=Scope.WRITE, audited=True,
    ),
    Operation(
        ("DELETE",), "/configuration", delete_configuration,
        "Delete the configuration of a user", ConfigurationDeleted, scope=Scope.WRITE,
        audited=True,
    ),
)  # fmt: skip


def _base_of(call: Call, user_id: str) -> str:
    return call.service.users.directory.base_of(user_of(call, user_id))


def _response(
    user_id: str,
    processor_id: str,
    genes: Mapping[str, GeneValue],
    changed_at: float | None,
    **more: Any,
) -> Response:
    content = {
        "user_id": user_id,
        "processor_id": processor_id,
        "config": genes,
        "changed_at": None if changed_at is None else rendering.timestamp(changed_at),
    }
    return rendering.response({**content, **more})
