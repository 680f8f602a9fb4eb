/** Predictions that arrive by themselves. */

import { pause, type Attempts } from "./attempts.js";
import type { CallOptions, Connection } from "./connection.js";
import { codedError, ConnectionFailedError, UnauthorizedError } from "./errors.js";
import type { Exists } from "./generated.js";
import { get, type Query } from "./operations.js";
import { Socket } from "./socket.js";

/** Milliseconds until a connection has to be open. */
const OPEN_MS = 10_000;

/** Predictions from the WebSocket of the session at *path*, as `Session.subscribe` promises. */
export async function* subscribed<T>(
  connection: Connection,
  path: string,
  payload: Query,
  { signal, timeoutMs }: CallOptions,
): AsyncGenerator<T, void, void> {
  let attempts = connection.attempts(timeoutMs);
  let last: string | undefined;
  for (;;) {
    try {
      const socket = await opened(connection, path, attempts, signal);
      try {
        socket.send({ type: "subscribe", id: 1, payload });
        for await (const found of socket.frames()) {
          attempts = connection.attempts(timeoutMs);
          const text = JSON.stringify(found);
          if (text !== last) yield found as T;
          last = text;
        }
        return;
      } finally {
        socket.close();
      }
    } catch (error) {
      signal?.throwIfAborted();
      const pauseMs = attempts.pauseMs(passing(error, connection));
      if (pauseMs === undefined) throw error;
      await pause(pauseMs, signal);
    }
  }
}

/**
 * A socket that is open.
 *
 * Throws KatoError if it cannot be opened. A page is not told why, so the instance is asked again
 * over HTTP.
 */
async function opened(
  connection: Connection,
  path: string,
  attempts: Attempts,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  const credential = await connection.credential();
  const socket = new Socket(connection, `${path}/ws`, credential, signal);
  if (await socket.opens(Math.min(OPEN_MS, attempts.leftMs))) return socket;
  socket.close();
  signal?.throwIfAborted();
  const asked = get(`${path}/exists`);
  const { exists } = await connection.call<Exists>(asked, { signal, timeoutMs: attempts.leftMs });
  const code = "SESSION_NOT_FOUND";
  if (!exists) throw codedError({ code, message: "there is no such session", retryable: false });
  throw connection.failure(new Error("no WebSocket was opened"));
}

/** *error*, or one that passes: a token expired, and the next one may be valid. */
function passing(error: unknown, connection: Connection): unknown {
  if (error instanceof UnauthorizedError && connection.renewsCredentials) {
    return new ConnectionFailedError("the token of the subscription expired", { cause: error });
  }
  return error;
}
