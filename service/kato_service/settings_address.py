"""Settings about where clients find an instance that is behind a proxy."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from kato_service.settings_rules import path_prefix

RootPath = Annotated[str, AfterValidator(path_prefix)]


class AddressConfig(BaseSettings):
    """Where clients find this instance."""

    model_config = SettingsConfigDict(
        frozen=True,
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    root_path: RootPath | None = Field(None, validation_alias="ROOT_PATH")
    """Path below which a proxy publishes this instance, for example /kato: /docs and the OpenAPI
    documents use it. The proxy may remove it from the paths that it passes on, or leave it."""
