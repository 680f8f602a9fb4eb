/** How long an answer is waited for, when a request is sent again, and when that is given up. */

import { AnswerError, ConnectionFailedError, NotFoundError } from "./errors.js";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** The attempts of one call, within one limit of time. */
export class Attempts {
  readonly #limitMs: number;
  readonly #attemptMs: number;
  readonly #clock: () => number;
  readonly #chance: () => number;
  readonly #end: number;
  #failed = 0;
  /** Whether an attempt may have been applied although no answer said so. */
  #mayBeDone = false;

  /** *clock* gives milliseconds, *chance* numbers from 0 to 1. */
  constructor(
    limitMs: number,
    attemptMs: number,
    clock = () => performance.now(),
    chance = Math.random,
  ) {
    this.#limitMs = limitMs;
    this.#attemptMs = attemptMs;
    this.#clock = clock;
    this.#chance = chance;
    this.#end = clock() + limitMs;
  }

  /** Milliseconds that the next piece may take. */
  get leftMs(): number {
    return Math.min(this.#attemptMs, Math.max(1, this.#end - this.#clock()));
  }

  get isOver(): boolean {
    return this.#clock() >= this.#end;
  }

  /** Whether *error* says that an earlier attempt was applied: what it deletes is gone. */
  wasDone(method: string, error: unknown): boolean {
    return method === "DELETE" && error instanceof NotFoundError && this.#mayBeDone;
  }

  /** Milliseconds to wait before the next attempt; undefined: give up, and throw *error*. */
  pauseMs(error: unknown): number | undefined {
    this.#failed += 1;
    const isOurs = error instanceof AnswerError || error instanceof ConnectionFailedError;
    if (!isOurs || !error.retryable) return undefined;
    const isUnclear = error instanceof ConnectionFailedError || error.status >= 500;
    this.#mayBeDone ||= isUnclear;
    const askedMs = error instanceof AnswerError ? (error.retryAfterMs ?? 0) : 0;
    const ceilingMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failed, 10));
    // Clients that failed together must not come back together, so the pause is random; what the
    // instance asked for is its least.
    const pauseMs = askedMs + this.#chance() * ceilingMs;
    if (this.#clock() + pauseMs < this.#end) return pauseMs;
    error.message += ` (gave up after attempt ${this.#failed}, within ${this.#limitMs} ms)`;
    return undefined;
  }
}

/** Resolves after *ms* milliseconds; rejects with the reason of *signal* when that aborts. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** A signal that aborts when that of the caller does, or when nothing arrived for too long. */
export class Patience {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(caller: AbortSignal | undefined) {
    this.#caller = caller;
    caller?.addEventListener("abort", this.#follow);
    if (caller?.aborted) this.#follow();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Wait for *ms* milliseconds from now on. */
  extend(ms: number): void {
    this.rest();
    const late = () =>
      this.#controller.abort(new Error(`nothing arrived for ${Math.round(ms)} ms`));
    this.#timer = setTimeout(late, ms);
  }

  /** Do not count the time until the next `extend`. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  /** Wait no longer. */
  end(): void {
    this.rest();
    this.#caller?.removeEventListener("abort", this.#follow);
  }

  readonly #follow = (): void => this.#controller.abort(this.#caller?.reason);
}
