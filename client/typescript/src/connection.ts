/** Sends requests, repeatedly where that is safe and of use. */

import { Attempts, Patience, pause } from "./attempts.js";
import { ConnectionFailedError, KatoError } from "./errors.js";
import { address, contentOf, NDJSON, type Answer, type Operation } from "./operations.js";

/** A bearer token, or a function that gives the one that is valid now. */
export type Token = string | (() => string | Promise<string>);

/** How to reach an instance. */
export interface KatoOptions {
  /** Such as `http://prod.default.svc:8000`; it may have a path. */
  url: string | URL;
  apiKey?: string | undefined;
  token?: Token | undefined;
  /** Milliseconds for one call with all its attempts: 60 000 unless it says otherwise. */
  timeoutMs?: number | undefined;
  /**
   * Milliseconds that one attempt may wait for the next piece of its answer: 40 000 unless it says
   * otherwise. Instances answer sooner, if only to say that they cannot.
   */
  attemptMs?: number | undefined;
  /** What sends requests, instead of the `fetch` of the runtime. */
  fetch?: typeof fetch | undefined;
  /** What subscriptions use, instead of that of the runtime. Node.js has one from version 22 on. */
  WebSocket?: typeof WebSocket | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call with the signal's reason; a change may have been applied all the same. */
  signal?: AbortSignal | undefined;
  /** Instead of the limit of the client. */
  timeoutMs?: number | undefined;
}

/** Codes with which Node.js refuses a certificate; pages are not told why a request failed. */
const DISTRUST = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/;

/** Milliseconds until the next piece of an answer that goes on: a whole import may be checked. */
const SILENCE_MS = 300_000;

/** The way to one instance. */
export class Connection {
  readonly url: string;
  readonly #timeoutMs: number;
  readonly WebSocket: typeof WebSocket | undefined;
  readonly #attemptMs: number;
  readonly #apiKey: string | undefined;
  readonly #token: Token | undefined;
  readonly #fetch: typeof fetch;

  constructor(options: KatoOptions) {
    this.url = checked(options.url);
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.#attemptMs = options.attemptMs ?? 40_000;
    this.WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#apiKey = options.apiKey;
    this.#token = options.token;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** Whether the next request may have a newer token. */
  get renewsCredentials(): boolean {
    return typeof this.#token === "function";
  }

  /** The token as of now: it may be a function, because tokens expire. */
  async #currentToken(): Promise<string | undefined> {
    return typeof this.#token === "function" ? this.#token() : this.#token;
  }

  /** The key or the token, for where there is place for one: the instance prefers a key, too. */
  async credential(): Promise<string | undefined> {
    return this.#apiKey ?? this.#currentToken();
  }

  /** The attempts of a call that begins now. */
  attempts(timeoutMs = this.#timeoutMs): Attempts {
    return new Attempts(timeoutMs, this.#attemptMs);
  }

  /**
   * The answer to *operation*, sent until the outcome is clear or the time is over. It is empty if
   * an earlier attempt had deleted what the request deletes.
   *
   * Throws KatoError if the instance refused it, or no answer came in time.
   */
  async call<T extends object>(operation: Operation, options: CallOptions = {}): Promise<T> {
    const { signal, timeoutMs } = options;
    const attempts = this.attempts(timeoutMs);
    for (;;) {
      signal?.throwIfAborted();
      try {
        return contentOf(await this.#received(operation, attempts, signal)) as T;
      } catch (error) {
        if (attempts.wasDone(operation.method, error)) return {} as T;
        const pauseMs = attempts.pauseMs(error);
        if (pauseMs === undefined) throw error;
        await pause(pauseMs, signal);
      }
    }
  }

  async #received(
    operation: Operation,
    attempts: Attempts,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const headers = await this.#headers(operation);
    const patience = new Patience(signal);
    try {
      patience.extend(attempts.leftMs);
      const response = await this.#response(operation, headers, patience.signal);
      const text = await textOf(response, attempts, patience);
      return { status: response.status, headers: response.headers, text };
    } catch (error) {
      signal?.throwIfAborted();
      throw this.failure(error);
    } finally {
      patience.end();
    }
  }

  /**
   * The answer to *operation* piece by piece, as it arrives. It is sent once, and `timeoutMs` bounds
   * the wait for each piece; time in which no piece is asked for does not count.
   *
   * Throws KatoError if the instance refused it, or did not answer, or not as fast as it has to.
   */
  async *pieces(
    operation: Operation,
    { signal, timeoutMs = SILENCE_MS }: CallOptions = {},
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    signal?.throwIfAborted();
    const headers = await this.#headers(operation);
    const patience = new Patience(signal);
    let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
    try {
      patience.extend(timeoutMs);
      const response = await this.#response(operation, headers, patience.signal);
      const { status } = response;
      if (status !== 200) {
        contentOf({ status, headers: response.headers, text: await response.text() });
      }
      reader = response.body?.getReader();
      for (;;) {
        patience.extend(timeoutMs);
        const piece = await reader?.read();
        if (!piece || piece.done) return;
        patience.rest();
        yield piece.value;
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof KatoError ? error : this.failure(error);
    } finally {
      patience.end();
      // What nobody reads any more shall not arrive; a reader that failed cannot be told.
      reader?.cancel().catch(() => {});
    }
  }

  #response(
    operation: Operation,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Response> {
    return this.#fetch(address(this.url, operation), {
      method: operation.method,
      headers,
      body: operation.lines ?? (operation.body ? JSON.stringify(operation.body) : null),
      // Neither keep answers nor carry credentials to where a redirect points.
      cache: "no-store",
      redirect: "manual",
      signal,
    });
  }

  async #headers(operation: Operation): Promise<Record<string, string>> {
    const found: Record<string, string> = { Accept: "application/json" };
    if (operation.lines !== undefined) found["Content-Type"] = NDJSON;
    else if (operation.body) found["Content-Type"] = "application/json";
    if (operation.encoding !== undefined) found["Content-Encoding"] = operation.encoding;
    if (this.#apiKey !== undefined) found["X-API-Key"] = this.#apiKey;
    const token = await this.#currentToken();
    if (token !== undefined) found["Authorization"] = `Bearer ${token}`;
    return found;
  }

  /** The error that says that no answer came, because of *cause*. */
  failure(cause: unknown): ConnectionFailedError {
    const reason = reasonOf(cause);
    const inPage = "document" in globalThis ? ", that CORS_ORIGINS lists this page's origin" : "";
    const fix = `check the address${inPage}, and that the instance is ready`;
    const retryable = !DISTRUST.test(reason);
    return new ConnectionFailedError(`${this.url} did not answer (${reason}): ${fix}`, {
      cause,
      retryable,
    });
  }
}

/** The body of *response*: for each piece there is time again, within the limit of the call. */
async function textOf(response: Response, attempts: Attempts, patience: Patience): Promise<string> {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = "";
  for (;;) {
    if (attempts.isOver) throw new Error("it did not finish its answer in time");
    patience.extend(attempts.leftMs);
    const piece = await reader?.read();
    if (!piece || piece.done) return text + decoder.decode();
    text += decoder.decode(piece.value, { stream: true });
  }
}

/** Why a request failed: `fetch` hides it in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const code = "code" in cause ? `${cause.code}` : "";
  return [code, cause.message].filter(Boolean).join(": ") || error.message;
}

/** The address without slashes at its end. */
function checked(url: string | URL): string {
  const text = String(url);
  if (!/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : "")) {
    const fix = "pass one such as http://localhost:8000";
    throw new TypeError(`${text} is no address of an instance: ${fix}`);
  }
  return text.replace(/\/+$/, "");
}
