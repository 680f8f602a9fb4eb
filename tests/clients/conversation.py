"""A conversation through generated Python clients: `conversation.py URL KEY`.

Run with `kato_current` and `kato_older` importable, which are generated from the two documents.
"""

import sys
from typing import TypeVar
from uuid import uuid4

from kato_current import AuthenticatedClient
from kato_current.api.health import get_readiness
from kato_current.api.knowledge import list_patterns, update_pattern
from kato_current.api.memory import (
    get_predictions,
    get_stm,
    learn,
    observe,
    observe_sequence,
    set_config,
)
from kato_current.api.sessions import create_session, delete_session, get_session, list_sessions
from kato_current.models import (
    ConfigBody,
    GeneOverrides,
    LearnResult,
    ObservationBody,
    ObservationBodyEmotives,
    ObservationResult,
    Pattern,
    PatternBody,
    Patterns,
    PredictionsResult,
    Readiness,
    Refusal,
    SequenceBody,
    SequenceItem,
    SequenceResult,
    Session,
    SessionBody,
    SessionCreated,
    Sessions,
    Stm,
)
from kato_older import AuthenticatedClient as OlderClient
from kato_older.api.later_sessions import post_sessions
from kato_older.api.v1 import get_v1_predictions, post_v1_learn, post_v1_observe
from kato_older.models import LaterSessionCreated, OlderPredictions
from kato_older.models import ObservationBody as OlderObservation
from kato_older.models import SessionBody as OlderSession

A = TypeVar("A")


def sure(kind: type[A], found: object) -> A:
    """*found*, which has to be of this kind."""
    assert isinstance(found, kind), found
    return found


def converse(url: str, key: str) -> None:
    with AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True) as client:
        sure(Readiness, get_readiness.sync(client=client))
        user = uuid4().hex
        session = sure(
            SessionCreated, create_session.sync(client=client, body=SessionBody(user_id=user))
        ).session_id
        for word in ("hello", "world", "again"):
            emotives = ObservationBodyEmotives.from_dict({"joy": 0.5})
            body = ObservationBody(strings=[word], emotives=emotives, unique_id=word)
            observed = sure(ObservationResult, observe.sync(session, client=client, body=body))
            assert observed.symbols == [word]
        learned = sure(LearnResult, learn.sync(session, client=client))
        assert learned.frequency == 1
        items = [SequenceItem(strings=["hello"]), SequenceItem(strings=["world"])]
        body_of_all = SequenceBody(observations=items)
        done = observe_sequence.sync(session, client=client, body=body_of_all)
        assert sure(SequenceResult, done).observations_processed == 2
        assert sure(Stm, get_stm.sync(session, client=client)).stm == [["hello"], ["world"]]
        found = sure(PredictionsResult, get_predictions.sync(session, client=client, limit=1))
        assert isinstance(found.predictions, list)  # not so with view=next
        (best,) = found.predictions
        assert best.future == [["again"]]
        assert best.pattern_name == learned.pattern_name
        genes = ConfigBody(config=GeneOverrides(recall_threshold=0.9, max_predictions=None))
        set_config.sync(session, client=client, body=genes)
        assert (
            sure(Session, get_session.sync(session, client=client)).config.recall_threshold == 0.9
        )
        change = PatternBody(frequency=5)
        update_pattern.sync(session, learned.pattern_name, client=client, body=change)
        patterns = sure(Patterns, list_patterns.sync(session, client=client)).patterns
        assert [sure(Pattern, one).frequency for one in patterns] == [5]
        assert len(sure(Sessions, list_sessions.sync(client=client, user_id=user)).sessions) == 1
        delete_session.sync(session, client=client)
        refused = sure(Refusal, get_session.sync(session, client=client))
        assert (refused.error.code, refused.error.retryable) == ("SESSION_NOT_FOUND", False)
    with AuthenticatedClient(base_url=url, token="wrong") as client:
        refused = sure(Refusal, list_sessions.sync(client=client))
        assert refused.error.code == "UNAUTHORIZED"


def converse_as_before(url: str, key: str) -> None:
    with OlderClient(base_url=url, token=key, raise_on_unexpected_status=True) as client:
        user = uuid4().hex
        for word in ("hello", "world", "again", "hello", "world"):
            body = OlderObservation(strings=[word])
            post_v1_observe.sync(client=client, body=body, x_user_id=user)
            if word == "again":
                post_v1_learn.sync(client=client, x_user_id=user)
        found = sure(OlderPredictions, get_v1_predictions.sync(client=client, x_user_id=user))
        assert found.predictions[0].future == [["again"]]
        later = post_sessions.sync(client=client, body=OlderSession(node_id=user))
        assert sure(LaterSessionCreated, later).node_id == user


if __name__ == "__main__":
    converse(*sys.argv[1:])
    converse_as_before(*sys.argv[1:])
    sys.stdout.write("done\n")
