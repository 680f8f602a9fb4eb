// Generated from the OpenAPI document of the service by `make client`: change that one.

/**
 * An observed symbol that matched one with another spelling.
 */
export type Anomaly = {
    observed: string;
    /**
     * As the pattern spells it.
     */
    expected: string;
    /**
     * How alike both are: at least `fuzzy_token_threshold`, below 1.
     */
    similarity: number;
};

/**
 * Where the instance knows credentials from.
 */
export type Auth = {
    mode: 'none' | 'api_key' | 'token';
    status: 'healthy' | 'degraded';
};

/**
 * Predictions of one item, as `predict` gives them, or why there are none.
 */
export type BatchResult = {
    result?: Predicted | null;
    error?: Error | null;
};

/**
 * A clear that was applied.
 */
export type Cleared = {
    /**
     * That of the request, or a generated one.
     */
    unique_id: string;
    /**
     * Present, and true, only if the request was applied before.
     */
    repeated?: boolean;
    status: string;
    session_id: string;
};

/**
 * A clear of everything that was applied.
 */
export type ClearedAll = {
    /**
     * That of the request, or a generated one.
     */
    unique_id: string;
    /**
     * Present, and true, only if the request was applied before.
     */
    repeated?: boolean;
    status: string;
    session_id: string;
    scope: string;
};

/**
 * What a session has in mind.
 */
export type Cognition = {
    /**
     * The mean of the emotives that wait for a learn.
     */
    emotives: {
        [key: string]: number;
    };
    /**
     * The last event.
     */
    symbols: Array<string>;
    stm: Array<Array<string>>;
    /**
     * Metadata that waits for a learn.
     */
    metadata: {
        [key: string]: Array<unknown>;
    };
    predictions: Array<Prediction>;
};

/**
 * What a session has in mind.
 */
export type CognitionData = {
    cognition_data: Cognition;
    session_id: string;
};

/**
 * The health of a store.
 */
export type Component = {
    status: 'healthy' | 'degraded' | 'unhealthy' | 'disabled';
    backend: string;
    circuit: string;
    latency_ms: number | null;
    pool: Pool;
    last_error_at: string | null;
};

/**
 * All genes in effect.
 */
export type Config = {
    config: Genes;
};

/**
 * The genes to change.
 */
export type ConfigBody = {
    config: GeneOverrides;
};

/**
 * All genes in effect.
 */
export type ConfigChanged = {
    config: Genes;
    /**
     * Genes of the request that have no effect here; present only if there are any.
     */
    ignored?: Array<string>;
};

/**
 * What sessions of a user start with.
 */
export type Configuration = {
    user_id: string;
    processor_id: string;
    /**
     * The genes that it sets; sessions take all others from the instance.
     */
    config: {
        [key: string]: unknown;
    };
    /**
     * Null if there is no configuration.
     */
    changed_at: string | null;
    /**
     * Genes of the request that have no effect here; present only if there are any.
     */
    ignored?: Array<string>;
};

/**
 * What sessions of a user start with.
 */
export type ConfigurationBody = {
    /**
     * All of it: what is missing or null is left to the instance.
     */
    config: GeneOverrides;
};

/**
 * The user has no configuration any more.
 */
export type ConfigurationDeleted = {
    status: 'deleted';
    user_id: string;
    processor_id: string;
};

/**
 * How many sessions there are.
 */
export type Count = {
    active_session_count: number;
};

/**
 * Calls to one store, of this worker since its start.
 */
export type Database = {
    /**
     * That were done; 0 for a store that is embedded.
     */
    operations: number;
    /**
     * Calls and checks that it did not answer.
     */
    errors: number;
    /**
     * Seconds.
     */
    avg_response_time: number;
};

/**
 * Which patterns to delete: at least one condition.
 */
export type DeletePatternsBody = {
    /**
     * The pattern contains all of them.
     */
    symbols?: Array<string> | null;
    /**
     * The pattern begins with these events; of the last one, its first symbols are enough.
     */
    prefix?: Array<Array<string>> | null;
    /**
     * By key, a value that the pattern has; null: any value.
     */
    metadata?: {
        [key: string]: JsonValue;
    } | null;
    min_frequency?: number | null;
    max_frequency?: number | null;
    /**
     * It was learned or edited last after this time (RFC 3339).
     */
    learned_after?: string | null;
    /**
     * It was learned or edited last at this time or earlier.
     */
    learned_before?: string | null;
    /**
     * It was first learned after this time.
     */
    first_learned_after?: string | null;
    /**
     * It was first learned at this time or earlier.
     */
    first_learned_before?: string | null;
    /**
     * Only count them.
     */
    dry_run?: boolean;
    /**
     * Patterns of this request, at most.
     */
    limit?: number;
    /**
     * `next_cursor` of the answer before: where to continue.
     */
    cursor?: string | null;
};

/**
 * A deleted session.
 */
export type Deleted = {
    status: string;
    session_id: string;
};

/**
 * What this request erased.
 */
export type ErasedCounts = {
    sessions: number;
    /**
     * Requests with a `unique_id` that the sessions remembered.
     */
    remembered_requests: number;
    patterns: number;
    vectors: number;
    /**
     * Entries of the log and stored patterns that were removed.
     */
    documents: number;
};

/**
 * What happened, why, and what to do.
 */
export type Error = {
    /**
     * Names the kind of error; programs decide by it.
     */
    code: string;
    /**
     * For people: what happened, why, and what to do.
     */
    message: string;
    /**
     * Whether the same request may succeed later.
     */
    retryable: boolean;
    /**
     * Finds the request in the service's log.
     */
    request_id: string;
    /**
     * Up to 20 findings, such as the place and the reason of each wrong value.
     */
    details: Array<{
        [key: string]: unknown;
    }>;
};

/**
 * Whether there is such a session.
 */
export type Exists = {
    exists: boolean;
    session_id: string;
};

/**
 * A pattern that matches the short-term memory: all usual fields, or those of `fields`.
 */
export type ExplainedPrediction = {
    /**
     * Entropy of the present, relative to that of all symbols.
     */
    normalized_entropy?: number;
    /**
     * The same with the shares of all patterns that hold its symbols.
     */
    global_normalized_entropy?: number;
    /**
     * Entropy of the present, in bits.
     */
    shannon_entropy?: number;
    /**
     * How much the pattern tells about what comes next: 0 to 1.
     */
    predictive_information?: number;
    /**
     * How rare the symbols of the present are among all patterns.
     */
    tfidf_score?: number;
    /**
     * The pattern's share of the frequencies of all patterns that match.
     */
    bayesian_prior?: number;
    /**
     * Its similarity.
     */
    bayesian_likelihood?: number;
    /**
     * Its share of what all patterns that match weigh: frequency times similarity.
     */
    bayesian_posterior?: number;
    /**
     * Matches of symbols that are spelled differently, in the order of the short-term memory; empty unless `fuzzy_token_threshold` lets symbols match that are only alike.
     */
    anomalies?: Array<Anomaly>;
    /**
     * The similarity of weighed symbols; null without the gene `affinity_emotive`, as are the next three.
     */
    weighted_similarity?: number | null;
    /**
     * How much of the pattern's weight matches.
     */
    weighted_evidence?: number | null;
    /**
     * How much of the weight of the present matches.
     */
    weighted_confidence?: number | null;
    /**
     * How much of the weight of the short-term memory matches.
     */
    weighted_snr?: number | null;
    type?: string;
    /**
     * The pattern's name without `PTRN|`.
     */
    name?: string;
    frequency?: number;
    emotives?: {
        [key: string]: number;
    };
    matches?: Array<string>;
    past?: Array<Array<string>>;
    present?: Array<Array<string>>;
    potential?: number;
    evidence?: number;
    similarity?: number;
    fragmentation?: number;
    snr?: number;
    entropy?: number;
    confluence?: number;
    /**
     * All events of the pattern.
     */
    sequence?: Array<Array<string>>;
    future?: Array<Array<string>>;
    confidence?: number;
    itfdf_similarity?: number;
    pattern_name?: string;
    /**
     * Present only if the pattern has any.
     */
    metadata?: {
        [key: string]: Array<unknown>;
    };
    /**
     * Symbols of the present that were not observed.
     */
    missing?: Array<string>;
    /**
     * Symbols that were observed and are not in the pattern.
     */
    extras?: Array<string>;
    hamiltonian?: number;
    grand_hamiltonian?: number;
    /**
     * How it came about; present with `explain`.
     */
    explanation?: PredictionExplanation;
};

/**
 * What the answer is made of, and what it leaves out: exact numbers.
 */
export type Explanation = {
    /**
     * All patterns of the knowledge base.
     */
    patterns: number;
    /**
     * Those that were looked at: all, or none if the short-term memory is too short.
     */
    compared: number;
    /**
     * Those with a symbol in common with the short-term memory.
     */
    sharing: number;
    /**
     * Those that are similar enough.
     */
    kept: number;
    recall_threshold: number;
    offset: number;
    limit: number;
    left_out: LeftOut;
    /**
     * Null if no pattern with a common symbol is below the threshold.
     */
    nearest_below_threshold: NearestPattern | null;
    /**
     * Never empty if the answer is.
     */
    reasons: Array<WhyNot>;
};

/**
 * A line about a pattern. The first line of an export is its header, with `format`, `version`, `knowledge_base`, `revision` and `patterns`; after the patterns come lines with `symbol`, whose counts are corrections, and with `vector`; the last line has counts, totals and `sha256`.
 */
export type ExportedPattern = {
    /**
     * 40 hexadecimal digits.
     */
    name: string;
    /**
     * Events, oldest first.
     */
    events: Array<Array<string>>;
    frequency: number;
    /**
     * How often the statistics count it: unlike the frequency, it is never edited.
     */
    learns: number;
    /**
     * One map per learn, oldest first.
     */
    emotives: Array<{
        [key: string]: number;
    }>;
    metadata: {
        [key: string]: Array<unknown>;
    };
    /**
     * By emotive, the sum over all learns; left out if there is none.
     */
    affinity?: {
        [key: string]: number;
    } | null;
};

/**
 * How long a session lives from now on.
 */
export type ExtendBody = {
    /**
     * Seconds; give it here or in the query.
     */
    ttl_seconds?: number | null;
};

/**
 * The new lifetime of a session.
 */
export type Extended = {
    status: string;
    session_id: string;
    ttl_seconds: number | null;
    expires_at: string | null;
};

/**
 * What `match` is made of; weighted with the gene `affinity_emotive`.
 */
export type Factors = {
    evidence: number;
    confidence: number;
    snr: number;
};

/**
 * What may come next.
 */
export type FuturePotential = {
    future: Array<Array<string>>;
    /**
     * Its share of the weight of everything that may.
     */
    aggregate_potential: number;
    /**
     * Patterns that expect it.
     */
    supporting_patterns: number;
    /**
     * The sum of their frequencies times similarities.
     */
    total_weighted_frequency: number;
};

/**
 * Genes of a session; null returns one to its default. Those after `affinity_emotive` belong to other versions: they are checked and stored, and have no effect here.
 */
export type GeneOverrides = {
    /**
     * Similarity that a prediction must reach.
     */
    recall_threshold?: number | null;
    /**
     * Predictions in one answer, at most.
     */
    max_predictions?: number | null;
    /**
     * Learns of a pattern whose emotives it keeps.
     */
    persistence?: number | null;
    /**
     * Events after which the short-term memory is learned automatically; 0: never.
     */
    max_pattern_length?: number | null;
    /**
     * What an automatic learn leaves in the short-term memory: its last event, nothing, or all but its oldest event.
     */
    stm_mode?: 'KEEP_LAST' | 'CLEAR' | 'ROLLING' | null;
    /**
     * Whether the symbols of an event are sorted.
     */
    sort_symbols?: boolean | null;
    /**
     * Nearest known vectors whose symbols join that of an observed one.
     */
    vector_neighbors?: number | null;
    /**
     * Cosine similarity that such a neighbour must reach.
     */
    vector_min_score?: number | null;
    /**
     * Cosine similarity from which a new vector becomes the stored one nearest to it; 0: never.
     */
    vector_absorb_similarity?: number | null;
    /**
     * The field of a prediction by which predictions are ranked, the greatest value first.
     */
    rank_sort_algo?: 'potential' | 'similarity' | 'evidence' | 'confidence' | 'snr' | 'fragmentation' | 'frequency' | 'normalized_entropy' | 'global_normalized_entropy' | 'itfdf_similarity' | 'confluence' | 'predictive_information' | 'bayesian_posterior' | 'bayesian_prior' | 'bayesian_likelihood' | 'tfidf_score' | 'weighted_similarity' | 'weighted_evidence' | 'weighted_confidence' | 'weighted_snr' | null;
    /**
     * Whether a short-term memory of one symbol has predictions: patterns that begin with it.
     */
    single_symbol_predictions?: boolean | null;
    /**
     * How alike two symbols have to be spelled to match; 0: only equal ones match.
     */
    fuzzy_token_threshold?: number | null;
    /**
     * The emotive by which symbols are weighed: those that were learned with much of it count for more in `potential`. Null: all symbols count alike.
     */
    affinity_emotive?: string | null;
    /**
     * Another spelling of `sort_symbols`: give one of them.
     *
     * @deprecated
     */
    sort?: boolean | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    process_predictions?: boolean | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    indexer_type?: 'VI' | 'LSH' | 'ANNOY' | 'FAISS' | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    use_token_matching?: boolean | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    filter_pipeline?: Array<'minhash' | 'length' | 'jaccard' | 'bloom' | 'rapidfuzz'> | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    length_min_ratio?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    length_max_ratio?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    jaccard_threshold?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    jaccard_min_overlap?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    minhash_threshold?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    minhash_bands?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    minhash_rows?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    minhash_num_hashes?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    bloom_false_positive_rate?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    max_candidates_per_stage?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    enable_filter_metrics?: boolean | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    vector_event_mode?: 'neighbors_plus_self' | 'self_only' | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    vector_search_limit?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    return_vector_search_results?: boolean | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    smoothness?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    quiescence?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    search_depth?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    auto_act_method?: 'none' | 'threshold' | 'pattern' | 'adaptive' | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    auto_act_threshold?: number | null;
    /**
     * A gene of other versions: checked, stored and shown, without effect.
     */
    always_update_frequencies?: boolean | null;
};

/**
 * All genes in effect.
 */
export type Genes = {
    /**
     * Similarity that a prediction must reach.
     */
    recall_threshold: number;
    /**
     * Predictions in one answer, at most.
     */
    max_predictions: number;
    /**
     * Learns of a pattern whose emotives it keeps.
     */
    persistence: number;
    /**
     * Events after which the short-term memory is learned automatically; 0: never.
     */
    max_pattern_length: number;
    /**
     * What an automatic learn leaves in the short-term memory: its last event, nothing, or all but its oldest event.
     */
    stm_mode: 'KEEP_LAST' | 'CLEAR' | 'ROLLING';
    /**
     * Whether the symbols of an event are sorted.
     */
    sort_symbols: boolean;
    /**
     * Nearest known vectors whose symbols join that of an observed one.
     */
    vector_neighbors: number;
    /**
     * Cosine similarity that such a neighbour must reach.
     */
    vector_min_score: number;
    /**
     * Cosine similarity from which a new vector becomes the stored one nearest to it; 0: never.
     */
    vector_absorb_similarity: number;
    /**
     * The field of a prediction by which predictions are ranked, the greatest value first.
     */
    rank_sort_algo: 'potential' | 'similarity' | 'evidence' | 'confidence' | 'snr' | 'fragmentation' | 'frequency' | 'normalized_entropy' | 'global_normalized_entropy' | 'itfdf_similarity' | 'confluence' | 'predictive_information' | 'bayesian_posterior' | 'bayesian_prior' | 'bayesian_likelihood' | 'tfidf_score' | 'weighted_similarity' | 'weighted_evidence' | 'weighted_confidence' | 'weighted_snr';
    /**
     * Whether a short-term memory of one symbol has predictions.
     */
    single_symbol_predictions: boolean;
    /**
     * How alike two symbols have to be spelled to match; 0: only equal ones match.
     */
    fuzzy_token_threshold: number;
    /**
     * The emotive by which symbols are weighed; null: all count alike.
     */
    affinity_emotive: string | null;
};

/**
 * What an interval brought.
 */
export type GrowthInterval = {
    /**
     * It ends where the next one begins, and the last one at `as_of`.
     */
    began_at: string;
    /**
     * Patterns that are there now and were first learned, or imported, in it.
     */
    first_learned: number;
    /**
     * Learns, edits, deletions, clears and parts of imports, whatever became of their patterns.
     */
    changes: number;
};

/**
 * The health of the service and its stores, as background checks and recent calls found it.
 */
export type Health = {
    status: 'healthy' | 'degraded' | 'unhealthy';
    uptime_seconds: number;
    version: string;
    processor_id: string;
    engine: string;
    /**
     * By the role of the store: redis, mongodb, qdrant.
     */
    components: {
        [key: string]: Component;
    };
    auth: Auth;
    /**
     * As last counted; 0 until they could be counted for the first time.
     */
    active_sessions: number;
};

/**
 * How far an import is.
 */
export type ImportCounts = {
    /**
     * Patterns, and groups of corrections.
     */
    parts: number;
    /**
     * Of these, how many this request has put in.
     */
    imported: number;
    /**
     * How many an earlier request of the same import had put in.
     */
    repeated: number;
    /**
     * Vectors of the import that are stored.
     */
    vectors: number;
    /**
     * Whether this request has dropped what was there before.
     */
    replaced: boolean;
};

/**
 * Why an import ended before all of it was in.
 */
export type ImportFailure = {
    code: string;
    message: string;
    /**
     * Whether the same request may succeed later; it continues where this one ended.
     */
    retryable: boolean;
};

/**
 * The last line of the answer.
 */
export type ImportSummary = {
    /**
     * Patterns, and groups of corrections.
     */
    parts: number;
    /**
     * Of these, how many this request has put in.
     */
    imported: number;
    /**
     * How many an earlier request of the same import had put in.
     */
    repeated: number;
    /**
     * Vectors of the import that are stored.
     */
    vectors: number;
    /**
     * Whether this request has dropped what was there before.
     */
    replaced: boolean;
    /**
     * Whether all of it is in.
     */
    complete: boolean;
    /**
     * Null, if it is complete.
     */
    error: ImportFailure | null;
};

/**
 * A line of the answer: how far the import is, or at the end the summary.
 */
export type ImportedKnowledge = {
    progress?: ImportCounts | null;
    summary?: ImportSummary | null;
};

export type JsonValue = unknown;

/**
 * Knowledge in memory.
 */
export type KnowledgeFigures = {
    /**
     * Knowledge bases.
     */
    loaded: number;
    patterns: number;
    bytes: number;
};

/**
 * What became of each line, and of all.
 */
export type LearnAnswer = {
    results: Array<LineOutcome>;
    summary: LearnSummary;
};

/**
 * Sequences to learn, each by itself.
 */
export type LearnBody = {
    /**
     * Each has an outcome of its own.
     */
    sequences: Array<{
        events?: Array<Array<string>> | null;
        observations?: Array<ObservationItem> | null;
        emotives?: {
            [key: string]: number;
        };
        metadata?: {
            [key: string]: JsonValue;
        };
        user_id?: string | null;
        unique_id?: string | null;
        config?: GeneOverrides | null;
    }>;
};

/**
 * One sequence of events, and what a session that observed it would learn.
 */
export type LearnLine = {
    /**
     * Events, oldest first, each a list of symbols. Give them here or as `observations`.
     */
    events?: Array<Array<string>> | null;
    /**
     * The same with vectors, emotives and metadata of each event.
     */
    observations?: Array<ObservationItem> | null;
    /**
     * Next to `events`: how the last of them feels.
     */
    emotives?: {
        [key: string]: number;
    };
    /**
     * Next to `events`: anything that the pattern should carry.
     */
    metadata?: {
        [key: string]: JsonValue;
    };
    /**
     * The user whose knowledge it is: printable characters, neither `.` nor `..`. Without one, it is that of the user that the caller acts as, or of the instance.
     */
    user_id?: string | null;
    /**
     * An id of your own that makes it safe to send the line again.
     */
    unique_id?: string | null;
    /**
     * Genes of the session that would observe it.
     */
    config?: GeneOverrides | null;
};

/**
 * What a learn did.
 */
export type LearnResult = {
    /**
     * That of the request, or a generated one.
     */
    unique_id: string;
    /**
     * Present, and true, only if the request was applied before.
     */
    repeated?: boolean;
    /**
     * `learned`, or `insufficient_data`: a pattern needs at least two symbols.
     */
    status: string;
    /**
     * Empty if nothing was learned.
     */
    pattern_name: string;
    session_id: string;
    processor_id: string;
    /**
     * Learns of the pattern so far; null if that cannot be told.
     */
    frequency: number | null;
    message: string;
};

/**
 * What became of all lines.
 */
export type LearnSummary = {
    /**
     * Lines that have an outcome.
     */
    lines: number;
    /**
     * Of these, those that were learned now.
     */
    learned: number;
    /**
     * Those that were learned before.
     */
    repeated: number;
    /**
     * Those with less than two symbols.
     */
    insufficient_data: number;
    /**
     * Those that were not learned.
     */
    errors: number;
    /**
     * Up to this line, nothing has to be sent again: each is durable, or was refused for good.
     */
    durable_through: number;
    /**
     * Whether every line of the request has an outcome.
     */
    complete: boolean;
    /**
     * Why the request ended before its last line; null if it did not.
     */
    error: LineError | null;
};

/**
 * What is not listed, by the reason: patterns; before the offset and beyond the limit, predictions, or events with `view=next`.
 */
export type LeftOut = {
    no_shared_symbol: number;
    below_threshold: number;
    not_in_first_event: number;
    before_offset: number;
    beyond_limit: number;
};

/**
 * Why a line was not learned.
 */
export type LineError = {
    /**
     * Names the kind of error; programs decide by it.
     */
    code: string;
    /**
     * For people: what happened, why, and what to do.
     */
    message: string;
    /**
     * Whether the same line may succeed later.
     */
    retryable: boolean;
    /**
     * Up to 20 findings, such as the place and the reason of each wrong value.
     */
    details: Array<{
        [key: string]: unknown;
    }>;
};

/**
 * What became of a line. Fields that say nothing are left out.
 */
export type LineOutcome = {
    /**
     * Its number in the request, from 1; blank lines count.
     */
    line: number;
    /**
     * `insufficient_data`: a pattern needs at least two symbols.
     */
    status: 'learned' | 'insufficient_data' | 'error';
    /**
     * What the line learned; null if that cannot be told of a repeat. Absent if it learned nothing.
     */
    pattern_name?: string | null;
    /**
     * Learns of the pattern, right after this one; null if that cannot be told of a repeat.
     */
    frequency?: number | null;
    /**
     * The id that the line was sent with.
     */
    unique_id?: string | null;
    /**
     * True if the line was learned before, and nothing changed now.
     */
    repeated?: boolean | null;
    /**
     * What was learned on the way, where a gene says that a session learns automatically.
     */
    auto_learned_patterns?: Array<string> | null;
    /**
     * True if the oldest events or emotive maps did not fit and were dropped.
     */
    stm_truncated?: boolean | null;
    /**
     * Why the line was not learned.
     */
    error?: LineError | null;
};

/**
 * A knowledge base and its user, without loading it.
 */
export type ListedUser = {
    /**
     * Null for the knowledge base of sessions without a user, and where an earlier version created the knowledge base and nothing was learned since.
     */
    user_id: string | null;
    /**
     * Names the knowledge base.
     */
    processor_id: string;
    /**
     * Null, like the following ones, if an earlier version wrote the last figures.
     */
    patterns: number | null;
    /**
     * Different symbols that were learned since the last `clear-all`.
     */
    symbols: number | null;
    /**
     * Learns since the last `clear-all`.
     */
    learns: number | null;
    /**
     * When something was learned or imported last; null if that is not known, or never.
     */
    last_learned_at: string | null;
    /**
     * The entry of the knowledge base's log that the figures are as of.
     */
    revision: number | null;
    /**
     * When the figures were taken: in a list, at most some seconds after a change.
     */
    as_of: string | null;
    /**
     * Estimated size in memory, if the process that answers has it loaded.
     */
    loaded_bytes: number | null;
    /**
     * Whether the user has a configuration.
     */
    configured: boolean;
};

/**
 * The answer to a liveness probe.
 */
export type Liveness = {
    status: string;
};

/**
 * Symbols that follow each other in the pattern and in the short-term memory alike.
 */
export type MatchedBlock = {
    /**
     * Where it starts in the pattern.
     */
    pattern: Position;
    /**
     * Where it starts in the short-term memory, whose oldest event is 0.
     */
    stm: Position;
    /**
     * Symbols; they may continue in the events after.
     */
    size: number;
    /**
     * As they were observed.
     */
    symbols: Array<string>;
};

/**
 * Figures about the instance and this worker, where a request prefers JSON.
 */
export type MetricsFigures = {
    sessions: SessionTotals;
    performance: Performance;
    resources: Resources;
    databases: {
        [key: string]: Database;
    };
    timestamp: number;
    rates: Rates;
    processor_manager: ProcessorManager;
    uptime_seconds: number;
    active_sessions: number;
    /**
     * Always null.
     */
    error: string | null;
};

/**
 * A stored vector that is near the one searched for.
 */
export type NearVector = {
    symbol: string;
    label: string | null;
    /**
     * The cosine similarity of both, at 12 decimals.
     */
    score: number;
};

/**
 * The vector to search for.
 */
export type NearestBody = {
    /**
     * Of the dimension of the knowledge base, and not all zeros.
     */
    vector: Array<number>;
    /**
     * Vectors in the answer, at most.
     */
    limit?: number;
    /**
     * Cosine similarity that they must reach.
     */
    min_score?: number;
};

/**
 * The most similar pattern below the threshold.
 */
export type NearestPattern = {
    pattern_name: string;
    similarity: number;
};

/**
 * The stored vectors nearest to one, best first, equal ones by symbol.
 */
export type NearestVectors = {
    vectors: Array<NearVector>;
    session_id: string | null;
    /**
     * Names the knowledge base.
     */
    processor_id: string;
    /**
     * Vectors in the answer.
     */
    count: number;
};

/**
 * An event that may come next.
 */
export type NextEvent = {
    /**
     * Its share of the weight of all patterns that match: 0 to 1. Those of all events and of the stop add up to 1.
     */
    weight: number;
    /**
     * How many patterns are behind it.
     */
    patterns: number;
    /**
     * Up to ten of them, those that weigh most first.
     */
    pattern_names: Array<string>;
    event: Array<string>;
};

/**
 * A symbol that may be in the next event; it weighs what the events that hold it weigh.
 */
export type NextSymbol = {
    /**
     * Its share of the weight of all patterns that match: 0 to 1. Those of all events and of the stop add up to 1.
     */
    weight: number;
    /**
     * How many patterns are behind it.
     */
    patterns: number;
    /**
     * Up to ten of them, those that weigh most first.
     */
    pattern_names: Array<string>;
    symbol: string;
};

/**
 * One event.
 */
export type ObservationBody = {
    /**
     * Symbols of the event.
     */
    strings?: Array<string>;
    /**
     * Vectors of the event, each becomes a symbol. None may be all zeros, and all vectors of a knowledge base have the same dimension.
     */
    vectors?: Array<Array<number>>;
    /**
     * What people call the vectors, in their order; null: nothing. A stored vector keeps its label until it gets another one.
     */
    vector_labels?: Array<string | null>;
    /**
     * Named numbers that describe how the event feels.
     */
    emotives?: {
        [key: string]: number;
    };
    /**
     * Anything that the pattern learned from this event should carry.
     */
    metadata?: {
        [key: string]: JsonValue;
    };
    /**
     * An id of your own that makes it safe to send the request again.
     */
    unique_id?: string | null;
};

/**
 * One observation of a sequence.
 */
export type ObservationItem = {
    /**
     * Symbols of the event.
     */
    strings?: Array<string>;
    /**
     * Vectors of the event, each becomes a symbol. None may be all zeros, and all vectors of a knowledge base have the same dimension.
     */
    vectors?: Array<Array<number>>;
    /**
     * What people call the vectors, in their order; null: nothing. A stored vector keeps its label until it gets another one.
     */
    vector_labels?: Array<string | null>;
    /**
     * Named numbers that describe how the event feels.
     */
    emotives?: {
        [key: string]: number;
    };
    /**
     * Anything that the pattern learned from this event should carry.
     */
    metadata?: {
        [key: string]: JsonValue;
    };
};

/**
 * An applied observation.
 */
export type ObservationResult = {
    /**
     * That of the request, or a generated one.
     */
    unique_id: string;
    /**
     * Present, and true, only if the request was applied before.
     */
    repeated?: boolean;
    status: string;
    session_id: string;
    processor_id: string;
    /**
     * Events in the short-term memory.
     */
    stm_length: number;
    /**
     * Observations so far.
     */
    time: number;
    /**
     * The pattern that this observation made the session learn.
     */
    auto_learned_pattern: string | null;
    /**
     * The event as it was stored; empty in the answer to a repeat.
     */
    symbols: Array<string>;
    /**
     * True if the oldest events, or emotives that waited for a learn, had to make room.
     */
    stm_truncated: boolean;
};

/**
 * A learned pattern.
 */
export type Pattern = {
    name: string;
    /**
     * Its events.
     */
    pattern_data: Array<Array<string>>;
    /**
     * Symbols.
     */
    length: number;
    /**
     * How often it was learned.
     */
    frequency: number;
    /**
     * One map per learn, the latest `persistence` of them.
     */
    emotives: Array<{
        [key: string]: number;
    }>;
    metadata: {
        [key: string]: Array<unknown>;
    };
};

/**
 * What to change of a pattern; what is missing or null stays.
 */
export type PatternBody = {
    /**
     * How often it counts as learned.
     */
    frequency?: number | null;
    /**
     * Its emotive maps, oldest first; as many as the gene `persistence` keeps.
     */
    emotives?: Array<{
        [key: string]: number;
    }> | null;
};

/**
 * A deleted pattern.
 */
export type PatternDeleted = {
    status: string;
    name: string;
    /**
     * The pattern as it was, as a line that an import of knowledge takes as it is, to put it back; null in the rare case that it is no longer known.
     */
    undo: string | null;
};

/**
 * A page of patterns, in the order of their first learn.
 */
export type Patterns = {
    patterns: Array<Pattern>;
    /**
     * Continues the list; null at its end.
     */
    next_cursor: string | null;
};

/**
 * What became of the patterns that fit.
 */
export type PatternsDeleted = {
    /**
     * `counted` after a dry run.
     */
    status: 'deleted' | 'counted';
    /**
     * Patterns that fitted when they were looked at.
     */
    matched: number;
    /**
     * Of those; fewer where other requests deleted some first.
     */
    deleted: number;
    /**
     * Not null: there may be more; repeat the request with it as `cursor`.
     */
    next_cursor: string | null;
};

/**
 * Patterns by when they were first learned, as far back as the log has entries.
 */
export type PatternsGrowth = {
    /**
     * The entry of the knowledge base's log that the figures are as of.
     */
    revision: number;
    as_of: string;
    /**
     * Patterns that are there now: the earlier ones and those of all intervals.
     */
    patterns: number;
    /**
     * When the oldest entry that the log has went in; null if it has none.
     */
    oldest: string | null;
    /**
     * Patterns that were first learned before it; when is not known.
     */
    earlier: number;
    /**
     * The length of all intervals.
     */
    interval_seconds: number;
    /**
     * The oldest first.
     */
    intervals: Array<GrowthInterval>;
};

/**
 * An observation as it was sent.
 */
export type Percept = {
    strings: Array<string>;
    vectors: Array<Array<number>>;
    emotives: {
        [key: string]: number;
    };
    metadata: {
        [key: string]: unknown;
    };
};

/**
 * The last observation of a session; empty if there was none.
 */
export type PerceptData = {
    percept_data: Percept;
    session_id: string;
};

/**
 * Requests that this worker answered since its start, probes included.
 */
export type Performance = {
    total_requests: number;
    /**
     * Answered with a status of 500 or above.
     */
    total_errors: number;
    /**
     * A share, 0 to 1.
     */
    error_rate: number;
    /**
     * Seconds.
     */
    average_response_time: number;
};

/**
 * Connections to a store.
 */
export type Pool = {
    in_use: number;
    idle: number;
    max: number;
};

/**
 * A symbol: the number of its event, and its own inside it, both from 0.
 */
export type Position = {
    event: number;
    symbol: number;
};

/**
 * Predictions to make, one after the other.
 */
export type PredictBatchBody = {
    items: Array<PredictBody>;
};

/**
 * What was observed, and what to predict from it.
 */
export type PredictBody = {
    /**
     * Instead of the gene `max_predictions`.
     */
    limit?: number | null;
    /**
     * Instead of the gene of this name.
     */
    recall_threshold?: number | null;
    /**
     * Fields of the predictions, separated by commas, or `all`.
     */
    fields?: string | null;
    /**
     * `predictions`, or `next` for what comes next: events and symbols.
     */
    view?: 'predictions' | 'next';
    /**
     * How many of the best are passed over.
     */
    offset?: number;
    /**
     * Whether the answer tells how it came about, and what it leaves out.
     */
    explain?: boolean;
    /**
     * Whether the answer has the labels of the vectors that it shows, by symbol.
     */
    labels?: boolean;
    /**
     * The user whose knowledge predicts. Without one, that of the instance does.
     */
    user_id?: string | null;
    /**
     * Events, each a list of strings, oldest first; either these or `observations`.
     */
    events?: Array<Array<string>> | null;
    /**
     * The same with vectors, which are looked up and not stored. Emotives, metadata and labels have no effect on predictions.
     */
    observations?: Array<SequenceItem> | null;
    /**
     * Genes for this request; the others are those of the instance.
     */
    config?: GeneOverrides | null;
};

/**
 * Predictions without a session, or what comes next.
 */
export type Predicted = {
    /**
     * Best first. Not present with `view=next`, where the next five fields are.
     */
    predictions?: Array<ExplainedPrediction>;
    /**
     * What may come next, the greatest weight first.
     */
    events?: Array<NextEvent>;
    /**
     * The symbols of all events that may come next, the greatest weight first.
     */
    symbols?: Array<NextSymbol>;
    stop?: Stop | null;
    /**
     * How many different events may come next.
     */
    event_count?: number | null;
    /**
     * How many different symbols they have.
     */
    symbol_count?: number | null;
    /**
     * All predictions, or events that may come next, listed or not.
     */
    total: number;
    /**
     * What the answer is made of; present with `explain`.
     */
    explanation?: Explanation | null;
    /**
     * What people call the vectors that the answer shows, by symbol: those that have a label, of 10000 different vectors at most. Present with `labels`.
     */
    labels?: {
        [key: string]: string;
    };
    /**
     * Names the knowledge base.
     */
    processor_id: string;
    count: number;
    /**
     * Events that were predicted from.
     */
    stm_length: number;
    /**
     * True if the oldest events had to make room, as in a session.
     */
    stm_truncated: boolean;
    /**
     * True if MongoDB could not be reached, so that newer learns may be missing.
     */
    stale: boolean;
    /**
     * Present where `fields` asks for it.
     */
    future_potentials?: Array<FuturePotential>;
    /**
     * Genes of the request that have no effect here; present only if there are any.
     */
    ignored?: Array<string>;
};

/**
 * The answers to the items, in their order.
 */
export type PredictedBatch = {
    results: Array<BatchResult>;
    /**
     * Items.
     */
    count: number;
    /**
     * Those with an error.
     */
    failed: number;
};

/**
 * A pattern that matches the short-term memory.
 */
export type Prediction = {
    type: string;
    /**
     * The pattern's name without `PTRN|`.
     */
    name: string;
    frequency: number;
    emotives: {
        [key: string]: number;
    };
    matches: Array<string>;
    past: Array<Array<string>>;
    present: Array<Array<string>>;
    potential: number;
    evidence: number;
    similarity: number;
    fragmentation: number;
    snr: number;
    entropy: number;
    confluence: number;
    /**
     * All events of the pattern.
     */
    sequence: Array<Array<string>>;
    future: Array<Array<string>>;
    confidence: number;
    itfdf_similarity: number;
    pattern_name: string;
    /**
     * Present only if the pattern has any.
     */
    metadata?: {
        [key: string]: Array<unknown>;
    };
    /**
     * Symbols of the present that were not observed.
     */
    missing: Array<string>;
    /**
     * Symbols that were observed and are not in the pattern.
     */
    extras: Array<string>;
    hamiltonian: number;
    grand_hamiltonian: number;
};

/**
 * How a prediction came about.
 */
export type PredictionExplanation = {
    blocks: Array<MatchedBlock>;
    factors: Factors;
    terms: Terms;
    /**
     * The sum of the terms, rounded to 12 decimals.
     */
    potential: number;
};

/**
 * Predictions, best first, or what comes next.
 */
export type PredictionsResult = {
    /**
     * Best first. Not present with `view=next`, where the next five fields are.
     */
    predictions?: Array<ExplainedPrediction>;
    /**
     * What may come next, the greatest weight first.
     */
    events?: Array<NextEvent>;
    /**
     * The symbols of all events that may come next, the greatest weight first.
     */
    symbols?: Array<NextSymbol>;
    stop?: Stop | null;
    /**
     * How many different events may come next.
     */
    event_count?: number | null;
    /**
     * How many different symbols they have.
     */
    symbol_count?: number | null;
    /**
     * All predictions, or events that may come next, listed or not.
     */
    total: number;
    /**
     * What the answer is made of; present with `explain`.
     */
    explanation?: Explanation | null;
    /**
     * What people call the vectors that the answer shows, by symbol: those that have a label, of 10000 different vectors at most. Present with `labels`.
     */
    labels?: {
        [key: string]: string;
    };
    session_id: string;
    processor_id: string;
    count: number;
    time: number;
    stm_length: number;
    /**
     * True if MongoDB could not be reached, so that newer learns may be missing.
     */
    stale: boolean;
    /**
     * What may come next, the most likely first, of all patterns that match; present on `/sessions` and where `fields` asks for it.
     */
    future_potentials?: Array<FuturePotential>;
};

/**
 * Knowledge bases in memory.
 */
export type ProcessorManager = {
    total_processors: number;
    /**
     * Always 0: their bytes are bounded, not their number.
     */
    max_processors: number;
    /**
     * Always 0: none is unloaded because of its age.
     */
    eviction_ttl_seconds: number;
    /**
     * Always empty: names of knowledge bases tell users apart.
     */
    processors: Array<{
        [key: string]: unknown;
    }>;
};

/**
 * How often something happened in the last minute, on this worker.
 */
export type Rates = {
    requests_per_second: number;
    requests_per_minute: number;
    errors_per_minute: number;
    /**
     * Created.
     */
    sessions_per_minute: number;
    operations_per_minute: number;
};

/**
 * The answer to a readiness probe.
 */
export type Readiness = {
    status: 'ready' | 'not ready';
};

/**
 * The body of a request that takes only the id by which its repeat is recognised.
 */
export type RepeatableBody = {
    /**
     * An id of your own that makes it safe to send the request again.
     */
    unique_id?: string | null;
};

/**
 * What this worker takes, in percent, as last sampled.
 */
export type Resources = {
    /**
     * Of the processors that it may use.
     */
    cpu_percent?: number;
    /**
     * Of the memory that it may use.
     */
    memory_percent?: number;
    /**
     * What is taken of the file system with the data directory.
     */
    disk_percent?: number;
};

/**
 * Events in order.
 */
export type SequenceBody = {
    observations: Array<SequenceItem>;
    /**
     * Learn the short-term memory after each event.
     */
    learn_after_each?: boolean;
    /**
     * Learn the short-term memory after the last event.
     */
    learn_at_end?: boolean;
    /**
     * Empty the short-term memory before each event but the first.
     */
    clear_stm_between?: boolean;
    /**
     * An id of your own that makes it safe to send the request again.
     */
    unique_id?: string | null;
};

/**
 * One event of a sequence.
 */
export type SequenceItem = {
    /**
     * Symbols of the event.
     */
    strings?: Array<string>;
    /**
     * Vectors of the event, each becomes a symbol. None may be all zeros, and all vectors of a knowledge base have the same dimension.
     */
    vectors?: Array<Array<number>>;
    /**
     * What people call the vectors, in their order; null: nothing. A stored vector keeps its label until it gets another one.
     */
    vector_labels?: Array<string | null>;
    /**
     * Named numbers that describe how the event feels.
     */
    emotives?: {
        [key: string]: number;
    };
    /**
     * Anything that the pattern learned from this event should carry.
     */
    metadata?: {
        [key: string]: JsonValue;
    };
    /**
     * Returns in the result of the item; it makes nothing safe to repeat.
     */
    unique_id?: string | null;
};

/**
 * An applied sequence.
 */
export type SequenceResult = {
    /**
     * That of the request, or a generated one.
     */
    unique_id: string;
    /**
     * Present, and true, only if the request was applied before.
     */
    repeated?: boolean;
    status: string;
    session_id: string;
    processor_id: string;
    observations_processed: number;
    /**
     * Empty in the answer to a repeat.
     */
    results: Array<ObservationResult>;
    auto_learned_patterns: Array<string>;
    /**
     * The pattern of `learn_at_end`; empty if nothing was learned.
     */
    final_learned_pattern: string;
    stm_length: number;
    time: number;
};

/**
 * A session.
 */
export type Session = {
    session_id: string;
    /**
     * Names the knowledge base.
     */
    processor_id: string;
    created_at: string;
    last_accessed: string;
    /**
     * Null if it never expires.
     */
    expires_at: string | null;
    ttl_seconds: number | null;
    /**
     * Requests that changed the session.
     */
    access_count: number;
    /**
     * Events in the short-term memory.
     */
    stm_length: number;
    /**
     * Observations so far.
     */
    time: number;
    metadata: {
        [key: string]: unknown;
    };
    config: Genes;
    /**
     * Null if the session shares the knowledge of the instance.
     */
    user_id: string | null;
};

/**
 * The session to create.
 */
export type SessionBody = {
    /**
     * The user whose knowledge the session shares: printable characters, neither `.` nor `..`. Without one, it shares that of the instance.
     */
    user_id?: string | null;
    /**
     * Anything that you want to find in the session again. At most 16384 bytes of JSON, and 246 levels deep.
     */
    metadata?: {
        [key: string]: JsonValue;
    } | null;
    /**
     * Seconds that the session lives, from now or from its last extend.
     */
    ttl_seconds?: number | null;
    config?: GeneOverrides | null;
    /**
     * Another spelling of `user_id`: give one of them.
     *
     * @deprecated
     */
    node_id?: string | null;
};

/**
 * A new session.
 */
export type SessionCreated = {
    session_id: string;
    /**
     * Names the knowledge base.
     */
    processor_id: string;
    created_at: string;
    last_accessed: string;
    /**
     * Null if it never expires.
     */
    expires_at: string | null;
    ttl_seconds: number | null;
    /**
     * Requests that changed the session.
     */
    access_count: number;
    /**
     * Events in the short-term memory.
     */
    stm_length: number;
    /**
     * Observations so far.
     */
    time: number;
    metadata: {
        [key: string]: unknown;
    };
    config: Genes;
    /**
     * Null if the session shares the knowledge of the instance.
     */
    user_id: string | null;
    /**
     * Genes of the request that have no effect here; present only if there are any.
     */
    ignored?: Array<string>;
};

/**
 * What to change of a session.
 */
export type SessionEditBody = {
    /**
     * Keys to set; null removes one. Others stay.
     */
    metadata: {
        [key: string]: JsonValue;
    };
};

/**
 * Sessions of the instance.
 */
export type SessionFigures = {
    /**
     * As last counted; 0 until they could be counted for the first time.
     */
    active: number;
};

/**
 * Sessions, of this worker since its start; `active` of the instance.
 */
export type SessionTotals = {
    total_created: number;
    /**
     * By a request; sessions also expire.
     */
    total_deleted: number;
    active: number;
    /**
     * Requests and frames that locked a session to change it.
     */
    operations_total: number;
};

/**
 * A page of sessions, in the order of their creation.
 */
export type Sessions = {
    sessions: Array<Session>;
    /**
     * Continues the list; null at its end.
     */
    next_cursor: string | null;
};

/**
 * The answer to a startup probe.
 */
export type Startup = {
    status: string;
};

/**
 * Figures about the instance, and its configuration without secrets.
 */
export type Status = {
    status: 'healthy' | 'degraded' | 'unhealthy';
    version: string;
    engine: string;
    sessions: SessionFigures;
    processors: KnowledgeFigures;
    pools: {
        [key: string]: Pool;
    };
    stores: {
        [key: string]: string;
    };
    configuration: {
        [key: string]: unknown;
    };
};

/**
 * The short-term memory, oldest event first.
 */
export type Stm = {
    stm: Array<Array<string>>;
    session_id: string;
    /**
     * Events.
     */
    length: number;
};

/**
 * That nothing comes next: what was learned ends with what was observed.
 */
export type Stop = {
    /**
     * Its share of the weight of all patterns that match: 0 to 1. Those of all events and of the stop add up to 1.
     */
    weight: number;
    /**
     * How many patterns are behind it.
     */
    patterns: number;
    /**
     * Up to ten of them, those that weigh most first.
     */
    pattern_names: Array<string>;
};

/**
 * What the potential is the sum of.
 */
export type Terms = {
    /**
     * (evidence + confidence) · snr.
     */
    match: number;
    itfdf_similarity: number;
    /**
     * 1 / number of blocks; 0 without any.
     */
    fragmentation: number;
};

/**
 * A user as of now.
 */
export type User = {
    /**
     * Null for the knowledge base of sessions without a user, and where an earlier version created the knowledge base and nothing was learned since.
     */
    user_id: string | null;
    /**
     * Names the knowledge base.
     */
    processor_id: string;
    /**
     * Null, like the following ones, if an earlier version wrote the last figures.
     */
    patterns: number | null;
    /**
     * Different symbols that were learned since the last `clear-all`.
     */
    symbols: number | null;
    /**
     * Learns since the last `clear-all`.
     */
    learns: number | null;
    /**
     * When something was learned or imported last; null if that is not known, or never.
     */
    last_learned_at: string | null;
    /**
     * The entry of the knowledge base's log that the figures are as of.
     */
    revision: number | null;
    /**
     * When the figures were taken: in a list, at most some seconds after a change.
     */
    as_of: string | null;
    /**
     * Estimated size in memory, if the process that answers has it loaded.
     */
    loaded_bytes: number | null;
    /**
     * Whether the user has a configuration.
     */
    configured: boolean;
    /**
     * Vectors since the last `clear-all`.
     */
    vectors: number;
    /**
     * Live sessions, without the default session of older paths.
     */
    sessions: number;
};

/**
 * The user is erased.
 */
export type UserErased = {
    status: 'erased';
    user_id: string | null;
    processor_id: string;
    erased: ErasedCounts;
    /**
     * Whether something was learned after the erasure had begun: only that is there.
     */
    used_again: boolean;
};

/**
 * A page of knowledge bases.
 */
export type Users = {
    users: Array<ListedUser>;
    /**
     * Continue with it until it is null.
     */
    next_cursor: string | null;
};

/**
 * A vector as it was sent.
 */
export type Vector = {
    symbol: string;
    vector: Array<number>;
};

/**
 * The vectors of a knowledge base.
 */
export type VectorFacts = {
    session_id: string | null;
    /**
     * Names the knowledge base.
     */
    processor_id: string;
    /**
     * Components of each vector, as the first one since the last `clear-all` had them; null: there are none, and the next one decides.
     */
    dimension: number | null;
    /**
     * Vectors that are stored.
     */
    count: number;
};

/**
 * Why the answer does not hold more.
 */
export type WhyNot = {
    /**
     * Names the reason, for programs.
     */
    code: string;
    /**
     * For people.
     */
    message: string;
};

/**
 * A line about a pattern, as an import takes it. A line about a vector has `vector` (its name), `components` and perhaps `label` instead; lines of a whole export come between its first and its last.
 */
export type PatternLine = {
    /**
     * The SHA-1 of its events, or the name by which it was known.
     */
    name: string;
    /**
     * Events, oldest first.
     */
    events: Array<Array<string>>;
    /**
     * How often it counts as learned.
     */
    frequency: number;
    /**
     * How often the statistics count it; without it, as often as the frequency says.
     */
    learns?: number;
    /**
     * One map per learn, oldest first.
     */
    emotives?: Array<{
        [key: string]: number;
    }> | {
        [key: string]: number;
    } | null;
    /**
     * By key, its distinct values.
     */
    metadata?: {
        [key: string]: JsonValue;
    } | null;
    /**
     * By emotive, the sum over all learns.
     */
    affinity?: {
        [key: string]: number;
    } | null;
};

/**
 * The envelope of every error.
 */
export type Refusal = {
    error: Error;
    /**
     * The message again, for older clients.
     */
    detail: string;
};
