/** Requests as values, and how answers to them are read; nothing here sends anything. */

import { answerError, AnswerError, codedError, type ErrorBody } from "./errors.js";
import type { LearnAnswer } from "./generated.js";

export const NDJSON = "application/x-ndjson";

/** A request that may be repeated until its outcome is clear. */
export interface Operation {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  /** Parameters; those that are null or undefined are left out. */
  readonly query?: Query;
  readonly body?: object;
  /** Lines of JSON, instead of a body; the answer has lines, too. */
  readonly lines?: string | Blob;
  /** How `lines` are encoded. */
  readonly encoding?: string | undefined;
}

export type Query = Readonly<Record<string, unknown>>;

/** An answer, as much of it as is read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** A read. */
export function get(path: string, query: Query = {}): Operation {
  return { method: "GET", path, query };
}

/** A change that is the same however often it is applied. */
export function post(path: string, body: object): Operation {
  return { method: "POST", path, body };
}

/** A change that counts once, because all attempts carry one `unique_id`. */
export function once(path: string, uniqueId: string | undefined, body: object = {}): Operation {
  return post(path, { ...body, unique_id: uniqueId ?? newId() });
}

/** A change that replaces the whole of something. */
export function put(path: string, body: object): Operation {
  return { method: "PUT", path, body };
}

export function remove(path: string): Operation {
  return { method: "DELETE", path };
}

/** A name that nothing else has. `crypto.randomUUID` would need HTTPS in a page. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The path of the knowledge of a user, or of what belongs to no user. */
export function userPath(user: string | null): string {
  return user === null ? "/v2/anonymous" : `/v2/users/${encodeURIComponent(user)}`;
}

/** The address of *operation* on the instance at *url*. */
export function address(url: string, { path, query = {} }: Operation): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const texts = given.map(([name, value]) => [name, asText(value)]);
  return texts.length ? `${url}${path}?${new URLSearchParams(texts)}` : url + path;
}

/** A value of a query: times are text, and everything else that is no text is JSON. */
function asText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * The JSON of an answer.
 *
 * Throws AnswerError if it is an error, or no answer of an instance.
 */
export function contentOf({ status, headers, text }: Answer): object {
  const type = headers.get("content-type")?.split(";")[0];
  if (status === 200 && type === NDJSON) return outcomesIn(text);
  const found = objectIn(text);
  // Health is an answer with whatever status.
  if (found && "components" in found) return found;
  if (status >= 400) {
    throw answerError((found?.["error"] ?? {}) as ErrorBody, status, retryAfterMs(headers));
  }
  if (!found || status < 200 || status >= 300) {
    const message = "the answer is not one of KATO: is this the address of an instance?";
    throw new AnswerError({ message }, status);
  }
  return found;
}

/**
 * The outcomes of lines, and their summary.
 *
 * Throws AnswerError if lines have to be sent again, or the answer ends early.
 */
function outcomesIn(text: string): LearnAnswer {
  const { results, summary } = parsed(text);
  const failures = [summary.error, ...results.map((one) => one.error)];
  const failure = failures.find((one, place) => one && (place === 0 || one.retryable));
  if (failure) throw codedError(failure);
  return { results, summary };
}

function parsed(text: string): LearnAnswer {
  try {
    const results = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const { summary } = results.pop();
    if (summary.error || summary.complete) return { results, summary };
  } catch {
    // It was cut off in the middle of a line.
  }
  throw codedError({ message: "the answer ends before its last line", retryable: true });
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null && !Array.isArray(found)) {
      return found as Record<string, unknown>;
    }
  } catch {
    // It is no JSON, so it is no answer of an instance.
  }
  return undefined;
}

/** Retry-After, if it is a number of seconds: KATO sends no dates. */
function retryAfterMs(headers: Headers): number | undefined {
  const given = headers.get("retry-after") ?? "";
  return /^\d+$/.test(given) ? Number(given) * 1000 : undefined;
}
