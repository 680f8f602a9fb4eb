"""Client of KATO, a deterministic pattern memory for AI systems.

`Kato` is the synchronous client, `AsyncKato` the asynchronous one; they have the same methods.
"""

from kato_client.answers import (
    BulkLearned,
    Configuration,
    Erased,
    Events,
    Explanation,
    Genes,
    Growth,
    GrowthInterval,
    Learned,
    LineFailure,
    NearVector,
    Next,
    Observed,
    ObservedSequence,
    Pattern,
    Prediction,
    Predictions,
    SessionInfo,
    UserInfo,
)
from kato_client.asynchronous.client import AsyncKato
from kato_client.asynchronous.session import AsyncSession
from kato_client.asynchronous.user import AsyncUser
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
from kato_client.observations import Event, Observation, Strings, UserSequence
from kato_client.synchronous.client import Kato
from kato_client.synchronous.session import Session
from kato_client.synchronous.user import User
from kato_client.version import VERSION

__version__ = VERSION

__all__ = [
    "AnswerError",
    "AsyncKato",
    "AsyncSession",
    "AsyncUser",
    "BulkLearned",
    "Configuration",
    "ConnectionFailedError",
    "Erased",
    "Event",
    "Events",
    "Explanation",
    "ForbiddenError",
    "Genes",
    "Growth",
    "GrowthInterval",
    "InvalidRequestError",
    "Kato",
    "KatoError",
    "Learned",
    "LimitReachedError",
    "LineFailure",
    "NearVector",
    "Next",
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
    "User",
    "UserInfo",
    "UserSequence",
    "__version__",
]
