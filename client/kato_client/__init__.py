"""Client of KATO, a deterministic pattern memory for AI systems.

`Kato` is the synchronous client, `AsyncKato` the asynchronous one; they have the same methods.
"""

from kato_client.answers import (
    Events,
    Genes,
    Learned,
    Observed,
    ObservedSequence,
    Pattern,
    Prediction,
    Predictions,
    SessionInfo,
)
from kato_client.asynchronous.client import AsyncKato
from kato_client.asynchronous.session import AsyncSession
from kato_client.errors import (
    AnswerError,
    ConnectionFailedError,
    ForbiddenError,
    InvalidRequestError,
    KatoError,
    LimitReachedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from kato_client.observations import Event, Observation, Strings
from kato_client.synchronous.client import Kato
from kato_client.synchronous.session import Session
from kato_client.version import VERSION

__version__ = VERSION

__all__ = [
    "AnswerError",
    "AsyncKato",
    "AsyncSession",
    "ConnectionFailedError",
    "Event",
    "Events",
    "ForbiddenError",
    "Genes",
    "InvalidRequestError",
    "Kato",
    "KatoError",
    "Learned",
    "LimitReachedError",
    "NotFoundError",
    "Observation",
    "Observed",
    "ObservedSequence",
    "Pattern",
    "Prediction",
    "Predictions",
    "Session",
    "SessionInfo",
    "Strings",
    "UnauthorizedError",
    "UnavailableError",
    "__version__",
]
