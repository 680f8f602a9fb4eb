"""Settings about where clients find an instance that is behind a proxy."""

from typing import Annotated

from pydantic import AfterValidator, Field

from kato_service.settings_rules import path_prefix
from kato_service.settings_values import FromEnvironment

RootPath = Annotated[str, AfterValidator(path_prefix)]


class AddressConfig(FromEnvironment):
    """Where clients find this instance."""

    root_path: RootPath | None = Field(None, validation_alias="ROOT_PATH")
    """Path below which a proxy publishes this instance, for example /kato: /docs and the OpenAPI
    documents use it. The proxy may remove it from the paths that it passes on, or leave it."""
