"""Settings about where clients find an instance, and in which form they find it."""

from typing import Annotated

from pydantic import AfterValidator, Field

from kato_service.settings_rules import path_prefix
from kato_service.settings_values import FromEnvironment

RootPath = Annotated[str, AfterValidator(path_prefix)]


class AddressConfig(FromEnvironment):
    """Where clients find this instance, and in which form."""

    root_path: RootPath | None = Field(None, validation_alias="ROOT_PATH")
    """Path below which a proxy publishes this instance, for example /kato: /docs and the OpenAPI
    documents use it. The proxy may remove it from the paths that it passes on, or leave it."""
    metrics_json: bool = Field(False, validation_alias="METRICS_JSON")
    """true answers /metrics with JSON, as other KATO versions do, where a request accepts any form
    (Accept: */*, or none). A request that names a form, as Prometheus does, gets that form."""
