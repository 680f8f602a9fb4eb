/** A conversation with an instance. */

import {
  asked,
  type AnswerOptions,
  type Next,
  type NextOptions,
  type None,
  type Only,
  type Predictions,
} from "./answers.js";
import type { CallOptions, Connection } from "./connection.js";
import { KatoError } from "./errors.js";
import type {
  Config,
  Exists,
  GeneOverrides,
  Genes,
  LearnResult,
  NearestBody,
  NearestVectors,
  NearVector,
  ObservationResult,
  Pattern,
  PatternBody,
  PatternDeleted,
  SequenceBody,
  SequenceResult,
  Session as SessionInfo,
  Stm,
} from "./generated.js";
import { observationOf, observationsOf, type Event, type Sequence } from "./observations.js";
import { get, once, post, put, remove } from "./operations.js";
import { items } from "./pages.js";
import { subscribed } from "./subscription.js";

/** Milliseconds for the delete of `close()`: a session that stays ends by itself. */
const CLOSE_MS = 5000;

/** What a change takes. */
export interface ChangeOptions extends CallOptions {
  /** Names the change: sent again with the same content, it counts once. The client chooses one. */
  unique_id?: string | undefined;
}

type SequenceFlags = Pick<SequenceBody, "learn_at_end" | "learn_after_each" | "clear_stm_between">;

/**
 * A session. Methods that observe, learn or clear take a `unique_id`; pass your own to repeat a
 * call safely.
 */
export class Session implements AsyncDisposable {
  /** Grants access to the session: keep it secret. */
  readonly id: string;
  readonly #connection: Connection;
  readonly #isOurs: boolean;

  /** Use `Kato.createSession` or `Kato.session`. */
  constructor(connection: Connection, id: string, { isOurs }: { isOurs: boolean }) {
    this.#connection = connection;
    this.id = id;
    this.#isOurs = isOurs;
  }

  get #path(): string {
    return `/v2/sessions/${encodeURIComponent(this.id)}`;
  }

  /**
   * Delete the session, if this client created it; what it learned stays.
   *
   * It does not throw if that fails, and does not take long: the session ends with its lifetime.
   */
  async close(): Promise<void> {
    if (!this.#isOurs) return;
    try {
      await this.delete({ timeoutMs: CLOSE_MS });
    } catch (error) {
      // It would hide that the block succeeded, or why it did not.
      if (!(error instanceof KatoError)) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  info(options?: CallOptions): Promise<SessionInfo> {
    return this.#connection.call(get(this.#path), options);
  }

  /** Whether it was neither deleted nor has expired; asking does not extend it. */
  async exists(options?: CallOptions): Promise<boolean> {
    const found = await this.#connection.call<Exists>(get(`${this.#path}/exists`), options);
    return found.exists;
  }

  /** Change metadata of the session: null removes a key, and keys that are missing stay. */
  setMetadata(
    metadata: Readonly<Record<string, unknown>>,
    options?: CallOptions,
  ): Promise<SessionInfo> {
    const body = { metadata };
    return this.#connection.call({ method: "PATCH", path: this.#path, body }, options);
  }

  /** Let it live for *ttlSeconds* (1 to 86 400) from now on. */
  async extend(ttlSeconds: number, options?: CallOptions): Promise<void> {
    const body = { ttl_seconds: ttlSeconds };
    await this.#connection.call(post(`${this.#path}/extend`, body), options);
  }

  /** Delete it; what it learned stays. */
  async delete(options?: CallOptions): Promise<void> {
    await this.#connection.call(remove(this.#path), options);
  }

  /** Add one event to the short-term memory: a string, strings that belong together, or more. */
  observe(event: Event, options?: ChangeOptions): Promise<ObservationResult> {
    return this.#change("observe", observationOf(event), options);
  }

  /** Add many events at once, up to 1000; all of them are checked before any is applied. */
  observeSequence(
    events: Sequence,
    options: SequenceFlags & ChangeOptions = {},
  ): Promise<SequenceResult> {
    const { signal, timeoutMs, unique_id, ...flags } = options;
    const body = { observations: observationsOf(events), ...flags };
    return this.#change("observe-sequence", body, { signal, timeoutMs, unique_id });
  }

  /** Turn the short-term memory into a pattern, and empty it. */
  learn(options?: ChangeOptions): Promise<LearnResult> {
    return this.#change("learn", {}, options);
  }

  /** Empty the short-term memory. */
  async clearStm(options?: ChangeOptions): Promise<void> {
    await this.#change("clear-stm", {}, options);
  }

  /** Empty the session, and drop everything that its user has learned. There is no undo. */
  async clearAll(options?: ChangeOptions): Promise<void> {
    await this.#change("clear-all", {}, options);
  }

  /** The short-term memory, oldest event first. */
  async stm(options?: CallOptions): Promise<string[][]> {
    return (await this.#connection.call<Stm>(get(`${this.#path}/stm`), options)).stm;
  }

  /** What the short-term memory recalls, best first. */
  predictions<const O extends AnswerOptions & CallOptions = None>(
    options?: Only<O, AnswerOptions & CallOptions>,
  ): Promise<Predictions<O>> {
    return this.#predicted("predictions", options);
  }

  /** Which events and symbols come next, and how likely. */
  next<const O extends NextOptions & CallOptions = None>(
    options?: Only<O, NextOptions & CallOptions>,
  ): Promise<Next<O>> {
    return this.#predicted("next", options);
  }

  /**
   * Predictions as they are now, and whenever they change, whoever changes the session.
   *
   * The newest are always given; those in between may be skipped. A connection that breaks is
   * opened again. Ends when the session ends, or with the reason of `signal`; `timeoutMs` bounds
   * how long opening a connection may take.
   *
   * Throws NotFoundError if there is no such session, KatoError if the predictions fail for a
   * reason that lasts, or no connection can be opened in time.
   */
  subscribe<const O extends AnswerOptions & CallOptions = None>(
    options?: Only<O, AnswerOptions & CallOptions>,
  ): AsyncGenerator<Predictions<O>, void, void> {
    const { signal, timeoutMs, ...wanted } = options ?? ({} as AnswerOptions & CallOptions);
    return subscribed(this.#connection, this.#path, asked(wanted), { signal, timeoutMs });
  }

  /** The tunables of the session that are in effect. */
  async genes(options?: CallOptions): Promise<Genes> {
    return (await this.#connection.call<Config>(get(`${this.#path}/config`), options)).config;
  }

  /**
   * Change tunables from the next request on; null returns one to its default. Repeating it sets
   * the same again.
   */
  async setGenes(config: GeneOverrides, options?: CallOptions): Promise<Genes> {
    const changed = post(`${this.#path}/config`, { config });
    return (await this.#connection.call<Config>(changed, options)).config;
  }

  /** The stored vectors of the session's user with the greatest cosine similarity to *vector*. */
  async nearestVectors(
    vector: readonly number[],
    options: Pick<NearestBody, "limit" | "min_score"> & CallOptions = {},
  ): Promise<NearVector[]> {
    const { signal, timeoutMs, ...wanted } = options;
    const operation = post(`${this.#path}/vectors:nearest`, { vector, ...wanted });
    const found = await this.#connection.call<NearestVectors>(operation, { signal, timeoutMs });
    return found.vectors;
  }

  /** All patterns that the session's user has learned, in the order of their first learn. */
  patterns(options: CallOptions = {}): AsyncGenerator<Pattern, void, void> {
    return items(this.#connection, `${this.#path}/patterns`, "patterns", {}, options);
  }

  pattern(name: string, options?: CallOptions): Promise<Pattern> {
    return this.#connection.call(get(this.#pattern(name)), options);
  }

  /** Replace what is given; the rest stays. Repeating it sets the same again. */
  updatePattern(name: string, body: PatternBody, options?: CallOptions): Promise<Pattern> {
    return this.#connection.call(put(this.#pattern(name), body), options);
  }

  /**
   * Gives the line that `User.import` takes to put the pattern back as it was; null if that
   * is not known, as where the answer was lost, or the instance is older.
   */
  async deletePattern(name: string, options?: CallOptions): Promise<string | null> {
    const operation = remove(this.#pattern(name));
    const done = await this.#connection.call<Partial<PatternDeleted>>(operation, options);
    return done.undo ?? null;
  }

  #pattern(name: string): string {
    return `${this.#path}/patterns/${encodeURIComponent(name)}`;
  }

  #change<T extends object>(verb: string, body: object, options: ChangeOptions = {}): Promise<T> {
    return this.#connection.call(once(`${this.#path}/${verb}`, options.unique_id, body), options);
  }

  #predicted<T extends object>(
    view: "predictions" | "next",
    options: (AnswerOptions | NextOptions) & CallOptions = {},
  ): Promise<T> {
    const { signal, timeoutMs, ...wanted } = options;
    const operation = get(`${this.#path}/predictions`, { ...asked(wanted), view });
    return this.#connection.call(operation, { signal, timeoutMs });
  }
}
