/** What works on a user's knowledge without a session. */

import {
  asked,
  type AnswerOptions,
  type Next,
  type NextOptions,
  type None,
  type Only,
  type Recalled,
} from "./answers.js";
import type { CallOptions, Connection } from "./connection.js";
import { codedError, type AnswerError } from "./errors.js";
import { conditions, type PatternFilter } from "./filters.js";
import type {
  Configuration,
  GeneOverrides,
  ImportCounts,
  LearnAnswer,
  LineOutcome,
  Pattern,
  PatternsDeleted,
  PatternsGrowth,
  Predicted,
  PredictedBatch,
  User as UserInfo,
  UserErased,
} from "./generated.js";
import { partsOf, Tally, type BulkLearned, type Sequences } from "./lines.js";
import { observationsOf, type Sequence } from "./observations.js";
import { get, newId, post, put, remove, userPath, type Query } from "./operations.js";
import { items } from "./pages.js";
import {
  encodingOf,
  exportStream,
  outcomeOf,
  persistently,
  type ExportOptions,
  type ImportOptions,
} from "./transfers.js";

/** What learning many sequences takes; `timeoutMs` bounds each thousand of them. */
export interface LearnOptions extends CallOptions {
  /**
   * Names all sequences (up to 200 characters). The same sequences with the same id, sent again
   * soon after an error, count once.
   */
  unique_id?: string | undefined;
}

/** What a question without a session takes. */
export interface QuestionOptions extends CallOptions {
  /** Genes for this question; the others are those of the instance. */
  config?: GeneOverrides | undefined;
}

/** A user's knowledge; without a user, that of the instance. */
export class User {
  /** null: what belongs to no user. */
  readonly id: string | null;
  readonly #connection: Connection;
  readonly #path: string;

  /** Use `Kato.user`. */
  constructor(connection: Connection, id: string | null) {
    this.#connection = connection;
    this.id = id;
    this.#path = userPath(id);
  }

  /**
   * Learn many sequences: each becomes the pattern that a new session would have learned.
   *
   * Sequences are taken as they are sent, about a thousand in a request, so there may be any number
   * of them. One that is refused does not stop the others. *progress* is called after each request.
   */
  async learn(
    sequences: Sequences,
    options: LearnOptions & { progress?: (soFar: BulkLearned) => void } = {},
  ): Promise<BulkLearned> {
    const tally = new Tally();
    for await (const answer of this.#learned(sequences, { answers: "errors" }, options)) {
      tally.add(answer);
      options.progress?.(tally.soFar);
    }
    return tally.soFar;
  }

  /**
   * The same, with the outcome of each sequence in their order; `line` is its number, from 1.
   *
   * The next sequences are taken only when the outcomes of those before them were.
   */
  async *learnEach(
    sequences: Sequences,
    options: LearnOptions = {},
  ): AsyncGenerator<LineOutcome, void, void> {
    const tally = new Tally();
    for await (const answer of this.#learned(sequences, {}, options)) yield* tally.add(answer);
  }

  async *#learned(
    sequences: Sequences,
    query: Query,
    { unique_id, signal, timeoutMs }: LearnOptions,
  ): AsyncGenerator<LearnAnswer, void, void> {
    for await (const lines of partsOf(sequences, this.id, unique_id ?? newId())) {
      const operation = { method: "POST", path: "/v2/learn", query, lines } as const;
      yield await this.#connection.call<LearnAnswer>(operation, { signal, timeoutMs });
    }
  }

  /** Figures of the user's knowledge. Throws NotFoundError if there is no such user. */
  info(options?: CallOptions): Promise<UserInfo> {
    return this.#connection.call(get(this.#path), options);
  }

  /**
   * The patterns that are there now, by when they were first learned, in up to *intervals* (2 to
   * 200, or 60) intervals of one length.
   */
  growth(options: CallOptions & { intervals?: number } = {}): Promise<PatternsGrowth> {
    const { intervals, ...others } = options;
    return this.#connection.call(get(`${this.#path}/growth`, { intervals }), others);
  }

  /** What sessions of the user start with. Nobody's sessions have a configuration. */
  configuration(options?: CallOptions): Promise<Configuration> {
    return this.#connection.call(get(this.#configuration), options);
  }

  /**
   * Set what sessions of the user start with where they set nothing themselves. *config* is all of
   * it: what is missing is left to the instance. Sessions that exist stay as they are.
   */
  configure(config: GeneOverrides, options?: CallOptions): Promise<Configuration> {
    return this.#connection.call(put(this.#configuration, { config }), options);
  }

  /** Leave everything that sessions of the user start with to the instance again. */
  async removeConfiguration(options?: CallOptions): Promise<void> {
    await this.#connection.call(remove(this.#configuration), options);
  }

  get #configuration(): string {
    return `${this.#path}/configuration`;
  }

  /** The patterns that meet all conditions, in the order of their first learn. */
  patterns(
    filter: PatternFilter = {},
    options: CallOptions & { newestFirst?: boolean } = {},
  ): AsyncGenerator<Pattern, void, void> {
    const { newestFirst, ...others } = options;
    const query = { ...conditions(filter), order: newestFirst ? "-first" : "first" };
    return items(this.#connection, `${this.#path}/patterns`, "patterns", query, others);
  }

  /**
   * Delete the patterns that meet all conditions, of which there is at least one.
   *
   * Gives how many were deleted; with `dryRun`, how many would be. `timeoutMs` bounds each request,
   * which deletes up to 10 000 of them.
   */
  async deletePatterns(
    filter: PatternFilter,
    options: CallOptions & { dryRun?: boolean } = {},
  ): Promise<number> {
    const { dryRun = false, ...others } = options;
    let count = 0;
    let cursor: string | null = null;
    do {
      const body = { ...conditions(filter), dry_run: dryRun, cursor };
      const operation = post(`${this.#path}/patterns:delete`, body);
      const done: PatternsDeleted = await this.#connection.call(operation, others);
      count += dryRun ? done.matched : done.deleted;
      cursor = done.next_cursor;
    } while (cursor !== null);
    return count;
  }

  /**
   * Everything that the user has learned, as lines of JSON that `import` takes.
   *
   * The stream fails with a KatoError unless it ends as a whole export does: then export again.
   */
  async export(options: ExportOptions = {}): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { vectors, ...others } = options;
    const operation = get(`${this.#path}/knowledge:export`, { vectors });
    return persistently(async () => {
      const pieces = this.#connection.pieces(operation, others);
      const { value } = await pieces.next();
      return exportStream(value ?? new Uint8Array(), pieces);
    }, options.signal);
  }

  /**
   * Put what was exported, compressed with gzip or not, into the knowledge. Nothing changes unless
   * it is whole.
   *
   * The same content counts once, however often it is added: one that was cut off continues.
   */
  async import(knowledge: Blob, options: ImportOptions = {}): Promise<ImportCounts> {
    const { replace, unique_id, vectors, progress, ...others } = options;
    const operation = {
      method: "POST",
      path: `${this.#path}/knowledge:import`,
      // A replacement needs an id: with the same one again, it would be a repeat.
      query: replace
        ? { mode: "replace", unique_id: unique_id ?? newId(), vectors }
        : { unique_id, vectors },
      lines: knowledge,
      encoding: await encodingOf(knowledge),
    } as const;
    const send = () => outcomeOf(this.#connection.pieces(operation, others), progress);
    return persistently(send, options.signal);
  }

  /** Erase everything of the user: knowledge, vectors, sessions. There is no undo. */
  erase(options?: CallOptions): Promise<UserErased> {
    return this.#connection.call(remove(this.#path), options);
  }

  /** What a session that observed *events* would predict. Nothing is stored. */
  predict<const O extends AnswerOptions & QuestionOptions = None>(
    events: Sequence,
    options?: Only<O, AnswerOptions & QuestionOptions>,
  ): Promise<Recalled<O>> {
    return this.#answered(events, "predictions", options);
  }

  /** Which events and symbols come after *events*, and how likely. Nothing is stored. */
  next<const O extends NextOptions & QuestionOptions = None>(
    events: Sequence,
    options?: Only<O, NextOptions & QuestionOptions>,
  ): Promise<Next<O, Predicted>> {
    return this.#answered(events, "next", options);
  }

  /** The predictions for up to 100 sequences; an error stands in the place of one that failed. */
  predictBatch<const O extends AnswerOptions & QuestionOptions = None>(
    sequences: readonly Sequence[],
    options?: Only<O, AnswerOptions & QuestionOptions>,
  ): Promise<(Recalled<O> | AnswerError)[]> {
    return this.#batch(sequences, "predictions", options);
  }

  /** What comes after each of up to 100 sequences; an error stands in the place of one that failed. */
  nextBatch<const O extends NextOptions & QuestionOptions = None>(
    sequences: readonly Sequence[],
    options?: Only<O, NextOptions & QuestionOptions>,
  ): Promise<(Next<O, Predicted> | AnswerError)[]> {
    return this.#batch(sequences, "next", options);
  }

  async #batch<T extends object>(
    sequences: readonly Sequence[],
    view: "predictions" | "next",
    options: (AnswerOptions | NextOptions) & QuestionOptions = {},
  ): Promise<(T | AnswerError)[]> {
    const { signal, timeoutMs, ...wanted } = options;
    const questions = sequences.map((events) => this.#question(events, view, wanted));
    const operation = post("/v2/predict:batch", { items: questions });
    const found = await this.#connection.call<PredictedBatch>(operation, { signal, timeoutMs });
    return found.results.map(({ result, error }) => {
      return result ? (result as object as T) : codedError(error ?? {});
    });
  }

  #answered<T extends object>(
    events: Sequence,
    view: "predictions" | "next",
    options: (AnswerOptions | NextOptions) & QuestionOptions = {},
  ): Promise<T> {
    const { signal, timeoutMs, ...wanted } = options;
    const operation = post("/v2/predict", this.#question(events, view, wanted));
    return this.#connection.call(operation, { signal, timeoutMs });
  }

  #question(
    events: Sequence,
    view: "predictions" | "next",
    { config, ...wanted }: (AnswerOptions | NextOptions) & QuestionOptions,
  ): object {
    const whose = this.id === null ? {} : { user_id: this.id };
    return { ...whose, config, observations: observationsOf(events), view, ...asked(wanted) };
  }
}
