"""The prose of the OpenAPI documents: what they are, their groups, and every operation."""

from collections.abc import Callable, Mapping
from typing import Any

from kato_service.api import health, later, legacy, patterns, processing, sessions, symbols
from kato_service.api.answers import stateless
from kato_service.api.bulk import operation as bulk
from kato_service.api.monitoring import paths as monitoring
from kato_service.api.users import configuration, exporting, importing, knowledge, users
from kato_service.api.vectors import operations as vectors

CURRENT = """Deterministic pattern memory: observe events, learn patterns, get predictions that can
be traced.

**A conversation**: create a session, `observe` events in it, `learn` them as a pattern, observe
the beginning of something similar, and get `predictions` of what follows. The `session_id` grants
access to the session, so keep it secret.

**Credentials**, if the instance asks for them: an API key as `X-API-Key` or `Authorization:
Bearer`, or a token as `Authorization: Bearer`. Each operation names the scope that it needs.

**Requests** are JSON in UTF-8, plain or as one gzip member (`Content-Encoding: gzip`); long
answers are compressed if `Accept-Encoding` allows zstd or gzip. Unknown fields are refused. With
a `unique_id` of your own, a request that changes something is applied once, however often you
send it.

**Errors** all have the form of `Refusal`; `code` names what happened and `retryable` says whether
the same request may succeed later.

Spellings for programs written for earlier versions are in a document of their own,
`openapi-older.json`."""
OLDER = """Paths for programs that were written for earlier versions. New programs use the paths
under `/v2`, which `openapi.json` describes.

Unknown fields are ignored here, except for genes under `/v1`. A request may name its
user as `user_id` or `node_id`, in the query, in the body, or in a header; all of these have to
agree. Under `/v1`, and on the same paths without a prefix, it acts on that user's default session,
or on the one that it names by `session_id` or `X-Session-ID`; if it names neither, on that of the
instance. The first change creates a default session, and it never expires. Under `/sessions`, the
user has to be that of the session."""
TAGS: Mapping[str, str] = {
    "sessions": "Create sessions, and look after them.",
    "memory": "Observe, learn and predict in a session, and tune it.",
    "stateless": "Predict without a session.",
    "knowledge": "Patterns and vectors that the sessions of a user have learned together.",
    "users": "Users, what all their sessions have learned, and how to erase it. What belongs to no"
    " user is at `/v2/anonymous`.",
    "health": "The state of the instance.",
}
"""The groups of the current document, in reading order."""
OLDER_TAGS: Mapping[str, str] = {
    "v1": "The default session of a user, or the session that a header selects.",
    "unprefixed": "The same without a prefix.",
    "later sessions": "The paths of `/v2/sessions` for clients of later versions. Every request on"
    " a session that was made here extends it, and an automatic learn empties its short-term memory"
    " unless its genes, or the instance, say otherwise.",
    "health": "The state of the instance.",
    "monitoring": "What monitoring programs of later versions read: figures of the worker that"
    " answers.",
}
PARAMETERS: Mapping[str, str] = {
    "session_id": "The session's id, from the answer that created it.",
    "user_id": "The user's id, percent-encoded (`/` as `%2F`): 1 to 256 printable characters.",
    "test_id": "Any text; it returns in the answer.",
    "name": "The pattern's name: 40 hexadecimal digits, with or without `PTRN|`.",
    "metric": "The metric's name, such as `kato_requests_total`; `/stats` shows all.",
    "symbol": "The symbol, as observations and patterns show it; percent-encoded.",
}
"""Parameters of paths."""
GENE_NAME = "The gene's name, such as `recall_threshold`."
NAMING: Mapping[str, str] = {
    "user_id": "The user whom the request is for: at most 256 printable characters, and"
    " neither `.` nor `..`.",
    "node_id": "The same.",
    "session_id": "The session, instead of the default session of the user.",
    "processor_id": "The user as the first versions named it, or the `processor_id` of an answer.",
}
"""Query parameters that say whom a request is for."""
SELECTING: Mapping[str, str] = {
    "X-Session-ID": "The session, as `session_id` in a body; a path that holds one has to agree.",
    "X-User-ID": "The user whom the request is for: at most 256 printable characters, and"
    " neither `.` nor `..`.",
    "X-Node-ID": "The same.",
    "X-Test-ID": "The same, after `test_`, which is added if it is missing.",
}
"""Headers that say whom a request is for."""
REQUEST_ID = (
    "Finds the request in the service's log: 1 to 128 visible ASCII characters. It is generated if"
    " it is missing or different."
)

_REPEAT = " With a `unique_id` it is safe to send again."
_LEARNED = "What is learned belongs to the user: all of the user's sessions predict from it."
OPERATIONS: Mapping[Callable[..., Any], str] = {
    sessions.create_session: "Always creates a new session. Sessions of one user share what they"
    " learn; sessions without a user share the knowledge of the instance.",
    sessions.list_sessions: "Lists live sessions in the order of their creation. Callers without"
    " the scope `admin` see their own; without authentication, each id is cut to 8 characters.",
    sessions.count_sessions: "Counts the live sessions that the caller may list.",
    sessions.session_exists: "Says whether the session is alive. Never extends it.",
    sessions.get_session: "Gets the session with its genes.",
    sessions.edit_session: "Sets keys of the session's metadata, and removes those that are null,"
    " all or none. Others stay. Sending it again is harmless.",
    sessions.delete_session: "Ends the session. What it learned stays, for other sessions of its"
    " user.",
    sessions.extend_session: "Sets the session's remaining lifetime. Give `ttl_seconds` once, in"
    " the query or in the body.",
    processing.observe: "Adds one event to the end of the short-term memory. Strings and vectors"
    " become its symbols; an observation with neither adds no event." + _REPEAT,
    processing.observe_sequence: "Checks up to 1000 observations, then applies them in order."
    " An item's own `unique_id` only returns in its result; that of the whole request makes it safe"
    " to send again.",
    processing.learn: "Turns the short-term memory into a pattern and empties it. "
    + _LEARNED
    + _REPEAT,
    processing.get_stm: "Gets the events that were observed and not learned yet, oldest first.",
    processing.get_predictions: "Compares the short-term memory with all patterns of the knowledge"
    " base, best match first; with `view=next`, tells which events and symbols come next, and how"
    " likely. `limit`, `offset` and `recall_threshold` hold for this request only; `fields` selects"
    " fields, also some that are not usual; `explain` adds how the answer came about, and `labels`"
    " what people call the vectors in it.",
    stateless.predict: "What a new session of the user would predict after the same observations,"
    " in one request. Nothing is created or stored: vectors are looked up, and a user that is not"
    " known has no predictions. `events` or `observations` say what was observed.",
    stateless.predict_batch: "Answers the items in their order, one after the other. An item that"
    " fails has an `error` in place of a `result`, and does not fail the others; wrong shapes, and"
    " users as whom the caller may not act, fail the whole request. Results of more than 32 MiB end"
    " the batch: the items left have an error.",
    processing.clear_stm: "Forgets what was observed and not learned." + _REPEAT,
    processing.clear_all: "Empties the session and drops everything its knowledge base learned:"
    " patterns, statistics and vectors, for all sessions of the user." + _REPEAT,
    processing.get_config: "Gets every gene in effect: those of the session, and defaults of the"
    " instance for the others.",
    processing.set_config: "Changes the genes that are named, all or none, from the next request"
    " on. Null returns a gene to the default of the instance. Genes without effect are listed in"
    " `ignored`.",
    processing.get_percept_data: "Gets the last observation as it was sent.",
    processing.get_cognition_data: "Gets predictions, mean emotives, the last event, the short-term"
    " memory, and the metadata that waits for a learn.",
    bulk.bulk_learn: "Learns many sequences, of one user or of many. Each learns what a new session"
    " would that observed it, and has an outcome of its own: a wrong one stops no other. With a"
    " `unique_id` a sequence is safe to send again.\n\nWith `Content-Type: application/x-ndjson`"
    " the body is a stream of any length, one `LearnLine` per line. The answer is a stream of"
    ' `LineOutcome`, each sent when its line is durable, and `{"summary": LearnSummary}` at the'
    " end.",
    patterns.list_patterns: "Lists the patterns of the session's knowledge base that fit all"
    " conditions, in the order of their first learn. A page of large patterns ends before `limit`,"
    " and so does one for which many had to be looked at; continue while `next_cursor` is not"
    " null.",
    patterns.get_pattern: "Gets a pattern of the session's knowledge base.",
    patterns.update_pattern: "Changes how often a pattern counts as learned, or replaces its"
    " emotives. Sending it again is harmless.",
    patterns.delete_pattern: "Deletes a pattern. Statistics keep what its learns counted."
    " `undo` is the line that an import of knowledge takes to put it back as it was.",
    patterns.get_vector: "Gets the components of a vector as they were sent.",
    users.list_users: "Lists the knowledge bases of the instance with their users, in order of"
    " `processor_id`. A user is listed from the first learn or vector on. None is loaded for it:"
    " the figures are those that were written last, a few seconds after a change; `as_of` and"
    " `revision` say which. Sessions are in the list of sessions.",
    users.get_user: "Gets a user with figures as of now. Loads the knowledge base, as a prediction"
    " does.",
    users.erase_user: "Erases the user's sessions, default session, remembered requests, knowledge"
    " and vectors. From its first step on, nobody sees the knowledge any more; when it answers,"
    " nothing of the user is left in the stores. If it is interrupted, it is completed all the"
    " same. Sending it again is harmless. The user may be used again at once.",
    configuration.get_configuration: "Gets the genes that sessions of the user start with. Those of"
    " a user without a configuration are all left to the instance.",
    configuration.put_configuration: "Replaces the genes that sessions of the user start with where"
    " they do not set their own; what is missing is left to the instance. It holds for sessions,"
    " questions and lines that begin after the answer, on every replica that reaches its store, so"
    " the answer takes about a second. Sessions that exist stay as they are. Sending it again is"
    " harmless; the last change wins.",
    configuration.delete_configuration: "Leaves all genes of new sessions of the user to the"
    " instance again. Sessions that exist stay as they are. Sending it again is harmless.",
    knowledge.list_user_patterns: "Lists the patterns of a user that fit all conditions, by their"
    " first learn. A page may end before `limit`, even empty; continue while `next_cursor` is not"
    " null. What is learned meanwhile moves nothing on pages that were read.",
    knowledge.delete_user_patterns: "Deletes the patterns that fit all conditions, at least one, as"
    " they are when each is looked at. Statistics keep what their learns counted. Groups are"
    " durable one after another: after an error, or with `next_cursor`, repeat the request."
    " Patterns that are first learned after it began are left alone.",
    knowledge.get_growth: "Gets how many of the patterns that a user has now were first learned in"
    " each interval, and how much changed in it, as far back as the log has entries. What was"
    " first learned earlier is counted as a whole: when is not known any more.",
    knowledge.get_anonymous_growth: "The same for the knowledge of sessions without a user.",
    knowledge.list_anonymous_patterns: "The same for the knowledge of sessions without a user.",
    knowledge.delete_anonymous_patterns: "The same for the knowledge of sessions without a user.",
    exporting.export_knowledge: "Sends the whole knowledge base of a user as lines of JSON, as"
    " `kato-service export` writes them: patterns at one revision, corrections of statistics, and"
    " vectors. What is learned meanwhile is not in it, and waits for nothing. The last line has a"
    " checksum; an export that fails or is cut has none, and is refused by every import. After a"
    ' failure in the middle, the last line is `{"error": …}`.',
    exporting.export_anonymous_knowledge: "The same for the knowledge of sessions without a user.",
    importing.import_knowledge: "Puts lines that an export sent, or `kato-service export` wrote,"
    " into the knowledge base of a user. All of them are received and checked before anything"
    " changes: an export that was cut or changed is refused as a whole. Lines of patterns and"
    " vectors alone, without the first and the last line of an export, are taken as they are. To a"
    " pattern that is there, `merge` adds frequency, learns, emotives (after the known ones) and"
    " metadata; one that was deleted comes back as its line says.\n\nThe same import sent again"
    " continues where it stopped, and changes nothing once it is complete. The answer is a stream:"
    ' lines `{"progress": ImportCounts}`, and `{"summary": ImportSummary}` at the end.',
    importing.import_anonymous_knowledge: "The same for the knowledge of sessions without a user.",
    users.get_anonymous: "Gets the knowledge base of sessions without a user, with figures as of"
    " now.",
    users.erase_anonymous: "Erases the sessions without a user, the default session of the"
    " instance, and what they learned; see the erasure of a user.",
    vectors.get_vectors: "Gets how many vectors the session's knowledge base has, and the dimension"
    " that all of them have. The first one after a `clear-all` decides about it.",
    vectors.nearest_vectors: "Finds the stored vectors of the session's knowledge base with the"
    " greatest cosine similarity to the given one, which is not stored. The search is exact; equal"
    " ones are in the order of their symbols.",
    later.session_exists: "Says whether the session is alive. Never extends it.",
    later.extend_session: "Sets the session's remaining lifetime: `ttl_seconds`, in the query or in"
    " the body, or as long as the last time.",
    later.observe: "Adds one event to the end of the short-term memory. An observation without"
    " strings and vectors adds no event." + _REPEAT,
    later.observe_sequence: "Checks up to 1000 observations, then applies them in order. An item's"
    " own `unique_id` only returns in its result; that of the whole request makes it safe to send"
    " again.",
    later.learn: "Turns the short-term memory into a pattern and empties it. " + _LEARNED + _REPEAT,
    later.get_predictions: "Compares the short-term memory with all patterns of the knowledge base,"
    " best match first. `limit` and `recall_threshold` hold for this request only.",
    later.get_config: "Gets every gene in effect.",
    later.set_config: "Changes the genes that are named, all or none, from the next request on."
    " Null returns a gene to its default.",
    later.get_percept_data: "Gets the last observation.",
    later.get_cognition_data: "Gets predictions, the last emotives, all symbols of the short-term"
    " memory, and the metadata that waits for a learn.",
    later.try_route: "Returns what the path ends with, and does nothing else.",
    later.finalize_training: "Does nothing and succeeds: predictions always use the statistics of"
    " all patterns, so there is nothing to precompute.",
    legacy.observe: "Adds one event to the end of the short-term memory." + _REPEAT,
    legacy.learn: "Turns the short-term memory into a pattern and empties it. With less than two"
    " symbols, nothing changes and `pattern_name` is empty." + _REPEAT,
    legacy.get_stm: "Gets the events that were observed and not learned yet, oldest first.",
    legacy.predictions: "Compares the short-term memory with all patterns, best match first."
    " `limit` and `recall_threshold` hold for this request only; `fields` selects fields, also some"
    " that are not usual.",
    legacy.predict: "Compares the short-term memory with all patterns, best match first. `limit`"
    " and `recall_threshold` hold for this request only; `fields` selects fields, also some that"
    " are not usual. Give each once, in the query or the body.",
    legacy.clear_stm: "Forgets what was observed and not learned." + _REPEAT,
    legacy.clear_all: "Empties the session and drops everything its knowledge base learned."
    + _REPEAT,
    legacy.observe_sequence: "Empties the short-term memory, applies the observations in order, and"
    " predicts. An item's own `unique_id` only returns in its result; that of the whole request"
    " makes it safe to send again.",
    legacy.update_genes: "Changes genes, all or none. Unknown genes are refused; those of other"
    " versions have no effect and are listed in `ignored`.",
    legacy.get_gene: "Gets one gene in effect.",
    legacy.get_pattern: "Gets a pattern of the session's knowledge base.",
    legacy.get_percept_data: "Gets the last observation as it was sent.",
    legacy.get_cognition_data: "Gets predictions, mean emotives, the last event and the short-term"
    " memory.",
    legacy.status: "Gets the state of the selected session.",
    symbols.list_affinities: "For every symbol that was learned with emotives: by emotive, the sum"
    " over all learns of patterns that hold it. An answer lists up to 100000 symbols; of more, it"
    " has a `next_cursor`.",
    symbols.get_affinity: "The same for one symbol. An unknown symbol has none.",
    symbols.list_symbols: "How often every symbol was learned, and how many patterns hold it now."
    " An answer lists up to 100000 symbols; of more, it has a `next_cursor`.",
    health.live: "Succeeds while the event loop runs; for a liveness probe.",
    health.ready: "Succeeds if requests can be served; for a readiness probe.",
    health.startup: "Succeeds once the process has started; for a startup probe.",
    health.health: "Reports what background checks and recent calls found, and asks no store. It"
    " fails with 503, in the same form, if sessions cannot be served.",
    health.older_health: "The same as `/v2/health`, with the fields that later versions have. It"
    " fails with 503, in the same form, if sessions cannot be served.",
    health.metrics: "Metrics for Prometheus, or JSON where `Accept` prefers `application/json`.",
    health.prometheus_metrics: "Metrics for Prometheus, whatever `Accept` says.",
    health.older_status: "The same as `/v2/status`, with the fields that later versions have.",
    monitoring.root: "What runs at this address, and where to read on.",
    monitoring.stats: "Samples of the last minutes, and figures of now. A sample is taken every ten"
    " seconds.",
    monitoring.get_metric: "The samples of one metric in the last minutes.",
    monitoring.connection_pools: "Connections in use and idle, and the health of each store.",
    monitoring.cache_stats: "Says that predictions are not cached.",
    monitoring.invalidate_cache: "Drops nothing, because predictions are not cached. No session is"
    " looked up.",
    monitoring.distributed_stm: "Says that short-term memories belong to sessions.",
    monitoring.concurrent_requests: "Requests and frames in progress, of those that the worker may"
    " have.",
    health.status: "Version, engine, live sessions, knowledge in memory, pools, stores, and the"
    " configuration without secrets.",
}
"""What an operation does, beyond its summary."""
