"""The settings of traces (docs/operating.md, Traces)."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from kato_service.settings.values import FromEnvironment, url_in

TracesUrl = Annotated[SecretStr, AfterValidator(url_in("http", "https"))]


class TraceConfig(FromEnvironment):
    traces_url: TracesUrl | None = Field(None, validation_alias="TRACES_URL")
    """Where traces are sent: the OTLP/HTTP address of an OpenTelemetry collector with its path,
    such as http://collector:4318/v1/traces. If not set, there are no traces."""
    traces_sample_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0, validation_alias="TRACES_SAMPLE_RATIO"
    )
    """The share of requests that are traced; a caller that sends `traceparent` decides itself."""
