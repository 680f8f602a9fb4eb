/** The way to an instance. */

import { Connection, type CallOptions, type KatoOptions } from "./connection.js";
import type {
  Count,
  Health,
  ListedUser,
  MetricsFigures,
  Session as SessionInfo,
  SessionBody,
  SessionCreated,
} from "./generated.js";
import { get, post } from "./operations.js";
import { items } from "./pages.js";
import { Session } from "./session.js";
import { User } from "./user.js";

/** What a new session shall be. */
export type SessionOptions = Omit<SessionBody, "node_id">;

/**
 * An instance of KATO.
 *
 * Every call is repeated, with pauses, while the instance cannot be reached or asks for it, until
 * `timeoutMs` is over. What observes, learns or clears carries a `unique_id` that its attempts
 * share: it counts once. Other changes set or delete something, so repeating them is harmless. A new
 * session has no such id: see `createSession`.
 */
export class Kato {
  readonly #connection: Connection;

  /** Nothing is sent yet. Throws TypeError if `url` is no address. */
  constructor(options: KatoOptions) {
    this.#connection = new Connection(options);
  }

  /**
   * A new session. `close()`, or `await using`, deletes it; what it learned stays.
   *
   * If an answer is lost, the repeat makes a second session, and the first one ends by itself.
   */
  async createSession(wanted: SessionOptions & CallOptions = {}): Promise<Session> {
    const { signal, timeoutMs, ...body } = wanted;
    const options = { signal, timeoutMs };
    const created: SessionCreated = await this.#connection.call(
      post("/v2/sessions", body),
      options,
    );
    return new Session(this.#connection, created.session_id, { isOurs: true });
  }

  /** An existing session, which `close()` leaves as it is. */
  session(id: string): Session {
    return new Session(this.#connection, id, { isOurs: false });
  }

  /** Live sessions, of one user or of all, in the order of their creation. */
  sessions(
    wanted: { user_id?: string } & CallOptions = {},
  ): AsyncGenerator<SessionInfo, void, void> {
    const { user_id, ...options } = wanted;
    return items(this.#connection, "/v2/sessions", "sessions", { user_id }, options);
  }

  async sessionCount(options?: CallOptions): Promise<number> {
    const found = await this.#connection.call<Count>(get("/v2/sessions/count"), options);
    return found.active_session_count;
  }

  /** What works without a session, on the knowledge of user *id*; null: on that of the instance. */
  user(id: string | null): User {
    return new User(this.#connection, id);
  }

  /** All users with figures of their knowledge; needs the scope `admin`. */
  users(options: CallOptions = {}): AsyncGenerator<ListedUser, void, void> {
    return items(this.#connection, "/v2/users", "users", {}, options);
  }

  /** How the instance and its stores are; an unhealthy one answers, too. */
  health(options?: CallOptions): Promise<Health> {
    return this.#connection.call(get("/v2/health"), options);
  }

  /** Figures of the process that answers; needs the scope `metrics`. */
  metrics(options?: CallOptions): Promise<MetricsFigures> {
    return this.#connection.call(get("/metrics"), options);
  }
}
