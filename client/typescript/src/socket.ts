/** A WebSocket to an instance, which asks for signs of life while it waits. */

import type { Connection } from "./connection.js";
import { readFrame } from "./frames.js";

/** Milliseconds between signs of life; a socket without one for twice as long is broken. */
const SIGN_MS = 20_000;

/**
 * The newest of what a socket received.
 *
 * It keeps one frame: what is not taken before the next one arrives is skipped, so a slow reader
 * costs no memory.
 */
export class Socket {
  readonly #connection: Connection;
  readonly #opened: WebSocket;
  readonly #signal: AbortSignal | undefined;
  readonly #signs: ReturnType<typeof setInterval>;
  #isQuiet = false;
  #newest: object | undefined;
  /** Set when nothing follows: the error that ended it, if one did. */
  #end: { readonly error?: unknown } | undefined;
  #wake: () => void = () => {};

  /** *signal* ends the waiting; signs of life are asked for every *signMs* milliseconds. */
  constructor(
    connection: Connection,
    path: string,
    credential: string | undefined,
    signal: AbortSignal | undefined,
    signMs = SIGN_MS,
  ) {
    if (!connection.WebSocket) {
      throw new TypeError(
        "this runtime has no WebSocket: use Node.js 22, or pass one, as new Kato({ WebSocket, … })",
      );
    }
    const protocols = ["kato"];
    if (credential !== undefined) protocols.push(`kato.key.${encoded(credential)}`);
    const url = connection.url.replace(/^http/, "ws") + path;
    this.#connection = connection;
    this.#opened = new connection.WebSocket(url, protocols);
    this.#opened.onmessage = ({ data }) => this.#received(String(data));
    this.#opened.onclose = ({ code }) => this.#fail(`closed with code ${code}`);
    this.#opened.onerror = () => this.#fail("the connection broke");
    this.#signs = setInterval(() => this.#askForSign(), signMs);
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted) this.#abort();
  }

  /** Whether it is open within *ms* milliseconds. */
  opens(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#fail("it did not open in time"), ms);
      const done = () => {
        clearTimeout(timer);
        resolve(this.#end === undefined);
      };
      this.#opened.onopen = done;
      this.#wake = done;
      if (this.#end) done();
    });
  }

  send(frame: object): void {
    this.#opened.send(JSON.stringify(frame));
  }

  /**
   * What arrives, the newest of it, until the session ends.
   *
   * Throws KatoError when the socket breaks or an error arrives.
   */
  async *frames(): AsyncGenerator<object, void, void> {
    for (;;) {
      if (this.#newest) {
        const found = this.#newest;
        this.#newest = undefined;
        yield found;
      } else if (this.#end) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  close(): void {
    clearInterval(this.#signs);
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#finish({});
    this.#opened.close();
  }

  #received(text: string): void {
    this.#isQuiet = false;
    try {
      const { found, isEnd } = readFrame(text);
      this.#newest = found ?? this.#newest;
      if (isEnd) this.#finish({});
      else if (found) this.#wake();
    } catch (error) {
      this.#finish({ error });
    }
  }

  #fail(reason: string): void {
    this.#finish({ error: this.#connection.failure(new Error(reason)) });
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end;
    this.#wake();
  }

  readonly #abort = (): void => this.#finish({ error: this.#signal?.reason });

  #askForSign(): void {
    if (this.#isQuiet) {
      this.#fail("no sign of life");
    } else if (this.#opened.readyState === this.#opened.OPEN) {
      this.#isQuiet = true;
      this.send({ type: "ping" });
    }
  }
}

/** base64url without padding: a page can send a credential only in the name of a sub-protocol. */
function encoded(credential: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(credential));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
