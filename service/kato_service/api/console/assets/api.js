// Requests to the instance that served this page. The key is in sessionStorage, so it ends with the
// tab, and is sent in a header; it is never part of an address.

/** Where the API is: the page is at `<prefix>/console`. */
export const BASE = new URL(".", location.href);
const KEY = "kato-key";
const PATIENCE_MS = 60_000;
const TRIES = 3;

/** A refusal of the service, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(status, error, retryAfter) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.retryable = Boolean(error.retryable);
    this.requestId = error.request_id;
    this.details = error.details || [];
    this.retryAfter = retryAfter;
  }
}

export const key = () => sessionStorage.getItem(KEY) || "";
export const keep = value => sessionStorage.setItem(KEY, value);
export const forget = () => sessionStorage.removeItem(KEY);

let refused = () => {};
/** Have *act* called when the instance asks for credentials. */
export function onRefused(act) {
  refused = act;
}

/** A name that a repeated request can be recognised by. `randomUUID` needs HTTPS; this does not. */
export function uniqueId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");
}

/** The JSON of an answer. */
export async function call(method, path, {query = {}, body, signal, quiet = false, keepalive = false} = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value != null && value !== "") url.searchParams.set(name, value);
  }
  const headers = {Accept: "application/json"};
  if (key()) headers.Authorization = `Bearer ${key()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetched(url, {
    method, headers, keepalive, cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, patience]) : patience,
  });
  const content = await answer.json().catch(() => ({}));
  if (answer.ok || (quiet && !content.error)) return content;
  if (answer.status === 401 && !quiet) refused();
  throw new ApiError(answer.status, content.error || {message: `The answer was ${answer.status}.`, code: "UNKNOWN"},
    Number(answer.headers.get("Retry-After")) || 0);
}

async function fetched(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, {message: "The instance does not answer.", code: "NO_ANSWER", retryable: true}, 0);
  }
}

export const get = (path, query, more) => call("GET", path, {query, ...more});

/** Change something once, however often it has to be sent. */
export async function change(path, body = {}) {
  const once = {...body, unique_id: uniqueId()};
  for (let tries = 1; ; tries++) {
    try {
      return await call("POST", path, {body: once});
    } catch (error) {
      if (tries === TRIES || !error.retryable) throw error;
      await new Promise(done => setTimeout(done, Math.min(error.retryAfter || 1, 3) * 1000));
    }
  }
}

/** The path of a user. */
export const ofUser = user => `v2/users/${encodeURIComponent(user)}`;

/** The path below one session. */
export const ofSession = (id, rest = "") => `v2/sessions/${encodeURIComponent(id)}${rest}`;
