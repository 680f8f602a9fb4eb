"""Environment variables of other KATO versions, which are checked and have no effect here."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from kato_service.errors import SettingsError
from kato_service.settings.text import refusal
from kato_service.settings.values import FromEnvironment

Ratio = Annotated[float, Field(ge=0, le=1)]


class OtherSettings(FromEnvironment):
    """Defaults of genes that other versions read from the environment (later-clients.md L10)."""

    smoothness: Annotated[int, Field(ge=1, le=10)] = Field(3, validation_alias="SMOOTHNESS")
    """A gene of version 1."""
    quiescence: Annotated[int, Field(ge=0, le=100)] = Field(3, validation_alias="QUIESCENCE")
    """A gene of version 1."""
    search_depth: Annotated[int, Field(ge=1, le=100)] = Field(10, validation_alias="SEARCH_DEPTH")
    """A gene of version 1."""
    auto_act_method: Literal["none", "threshold", "pattern", "adaptive"] = Field(
        "none", validation_alias="AUTO_ACT_METHOD"
    )
    """A gene of version 1."""
    auto_act_threshold: Ratio = Field(0.8, validation_alias="AUTO_ACT_THRESHOLD")
    """A gene of version 1."""
    always_update_frequencies: bool = Field(False, validation_alias="ALWAYS_UPDATE_FREQUENCIES")
    """A gene of version 1."""
    indexer_type: Literal["VI", "LSH", "ANNOY", "FAISS"] = Field(
        "VI", validation_alias="INDEXER_TYPE"
    )
    """Index of vectors: here, vectors are compared as processor.md says."""
    process_predictions: bool = Field(True, validation_alias="PROCESS_PREDICTIONS")
    """Whether observe predicts: here, predictions are computed when they are asked for."""
    use_token_matching: bool = Field(True, validation_alias="KATO_USE_TOKEN_MATCHING")
    """Whether symbols are compared as a whole: here they always are."""


def set_without_effect(environment: Mapping[str, str]) -> list[str]:
    """The variables of other versions that *environment* sets.

    Raises:
        SettingsError: The value of one is wrong.
    """
    try:
        OtherSettings()
    except ValidationError as exc:
        raise SettingsError(refusal(OtherSettings, exc, environment)) from exc
    return [name for name in VARIABLES if environment.get(name)]


VARIABLES = tuple(str(field.validation_alias) for field in OtherSettings.model_fields.values())
