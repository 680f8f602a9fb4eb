/**
 * What calls throw. Every message ends with the fix.
 *
 *     KatoError
 *     ├── ConnectionFailedError       no answer came: unreachable, cut off, or too slow
 *     └── AnswerError                 the instance refused or failed
 *         ├── InvalidRequestError     400, 405, 413, 415, 422: fix what `details` names
 *         ├── UnauthorizedError       401
 *         ├── ForbiddenError          403
 *         ├── NotFoundError           404
 *         ├── LimitReachedError       429: a limit on sessions, vectors or requests
 *         └── UnavailableError        408 and 5xx
 */

import type { LineError } from "./generated.js";

const FIXES: Readonly<Record<string, string>> = {
  AUTH_UNAVAILABLE: "try again later; the instance cannot reach the issuer of the token",
  BODY_TOO_LARGE: "send less at once",
  CROSS_ORIGIN: "add the page's origin to CORS_ORIGINS of the instance",
  DEADLINE_EXCEEDED: "try again; if it happens often, the instance has too much to do",
  EMPTY_STM: "observe something before you learn",
  FORBIDDEN: "use credentials with the scope, or for the user, that the message names",
  INTERNAL_ERROR: "this is a bug of KATO; report the requestId",
  MATCHING_BUDGET_EXCEEDED:
    "observe fewer symbols, raise recall_threshold, or ask for fewer predictions",
  OVERLOADED: "send fewer requests at once, or add replicas",
  RATE_LIMITED: "send less often; retryAfterMs says when to try again",
  SESSION_LIMIT_EXCEEDED: "delete sessions that are no longer needed, or raise the limit",
  SESSION_NOT_FOUND: "create a new session; this one was deleted or has expired",
  STORE_UNAVAILABLE: "try again later; GET /health of the instance says which store is down",
  UNAUTHORIZED: "pass apiKey or token to the client",
  UNIQUE_ID_REUSED: "use a new unique_id for each request, or let the client choose it",
  VECTORS_DISABLED: "send no vectors to this instance",
  VECTOR_DIMENSION: "send vectors with as many components as the user's first vector has",
  VECTOR_LIMIT_EXCEEDED: "clear users whose vectors are no longer needed, or raise the limit",
};

/** Statuses with which proxies, whose answers say no more, ask for a repeat. */
const RETRYABLE_OF_OTHERS = [408, 429, 502, 503, 504];

/** Anything that a call throws because of the instance or the way to it. */
export class KatoError extends Error {
  override name = "KatoError";
}

/**
 * No answer came: the instance could not be reached, or the connection broke.
 *
 * Whether the request was applied is unknown. The attempts of one call share a `unique_id`, so they
 * count once together; the same call made anew counts again, unless you pass its `unique_id`.
 */
export class ConnectionFailedError extends KatoError {
  override name = "ConnectionFailedError";
  /** Whether another attempt may succeed. */
  readonly retryable: boolean;

  constructor(message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable ?? true;
  }
}

/** A finding: in a refused request, the `location` and the `reason` of a wrong value. */
export type ErrorDetail = LineError["details"][number];

/** The `error` of an answer's envelope, of an outcome or of a frame. */
export interface ErrorBody {
  code?: string;
  message?: string;
  retryable?: boolean;
  request_id?: string | null;
  details?: ErrorDetail[] | null;
}

/** The instance answered with an error. */
export class AnswerError extends KatoError {
  override name = "AnswerError";
  /** HTTP status. */
  readonly status: number;
  /** Names the kind of error, such as `SESSION_NOT_FOUND`; programs decide by it. */
  readonly code: string;
  /** Up to 20 findings, such as the `location` and the `reason` of each wrong value. */
  readonly details: readonly ErrorDetail[];
  /** Finds the request in the log of the instance. */
  readonly requestId: string | undefined;
  /** Milliseconds after which to try again, if the instance said it. */
  readonly retryAfterMs: number | undefined;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** What to do; empty where the message says it. */
  readonly fix: string;

  constructor(error: ErrorBody, status: number, retryAfterMs?: number) {
    const code = error.code ?? "UNKNOWN";
    const fix = FIXES[code] ?? "";
    const message = error.message ?? `the answer has status ${status}`;
    super(`${message} (${code})${fix && `: ${fix}`}`);
    this.status = status;
    this.code = code;
    this.fix = fix;
    this.details = error.details ?? [];
    this.requestId = error.request_id ?? undefined;
    this.retryAfterMs = retryAfterMs;
    this.retryable = error.retryable ?? RETRYABLE_OF_OTHERS.includes(status);
  }
}

/** The request is wrong: `details` says where and why. */
export class InvalidRequestError extends AnswerError {
  override name = "InvalidRequestError";
}

/** The instance asks for credentials, or does not know these. */
export class UnauthorizedError extends AnswerError {
  override name = "UnauthorizedError";
}

/** The credentials do not allow it. */
export class ForbiddenError extends AnswerError {
  override name = "ForbiddenError";
}

/** There is no such session, pattern, vector, user or path. */
export class NotFoundError extends AnswerError {
  override name = "NotFoundError";
}

/** A limit of the instance is reached. */
export class LimitReachedError extends AnswerError {
  override name = "LimitReachedError";
}

/** The instance cannot do it now, or failed. */
export class UnavailableError extends AnswerError {
  override name = "UnavailableError";
}

/** The class by status; statuses from 500 on are `UnavailableError`. */
const KINDS: Readonly<Record<number, typeof AnswerError>> = {
  400: InvalidRequestError,
  401: UnauthorizedError,
  403: ForbiddenError,
  404: NotFoundError,
  405: InvalidRequestError,
  408: UnavailableError,
  413: InvalidRequestError,
  415: InvalidRequestError,
  422: InvalidRequestError,
  429: LimitReachedError,
};

const STATUSES: Readonly<Record<string, number>> = {
  FORBIDDEN: 403,
  PATTERN_NOT_FOUND: 404,
  RATE_LIMITED: 429,
  SESSION_NOT_FOUND: 404,
  UNAUTHORIZED: 401,
};

/** The error for an answer with this status. */
export function answerError(error: ErrorBody, status: number, retryAfterMs?: number): AnswerError {
  const kind = KINDS[status] ?? (status >= 500 ? UnavailableError : AnswerError);
  return new kind(error, status, retryAfterMs);
}

/** The error for one without a status of its own: in a frame, or inside an answer. */
export function codedError(error: ErrorBody, retryAfterMs?: number): AnswerError {
  const status = STATUSES[error.code ?? ""] ?? (error.retryable ? 503 : 422);
  return answerError(error, status, retryAfterMs);
}
