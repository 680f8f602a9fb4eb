// Requests to the instance that served this page. The key is in sessionStorage, so it ends with the
// tab, and is sent in a header; it is never part of an address.

/** Where the API is: the page is at `<prefix>/console`. */
export const BASE = new URL(".", location.href);
const KEY = "kato-key";
const PATIENCE_MS = 60_000;
const TRIES = 3;
const OPTIONS = {cache: "no-store", redirect: "error", referrerPolicy: "no-referrer"};

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
export async function call(method, path, {query, body, signal, quiet = false, keepalive = false} = {}) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetched(address(path, query), {
    ...OPTIONS, method, keepalive, headers: headersOf(body === undefined ? {} : {"Content-Type": "application/json"}),
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, patience]) : patience,
  });
  const content = await answer.json().catch(error => {
    if (!answer.ok) return {};
    throw error.name === "AbortError" ? error : noAnswer(); // it was cut off, or is no answer of an instance
  });
  if (answer.ok || (quiet && !content.error)) return content;
  throw refusal(answer.status, content, answer.headers.get("Retry-After"), quiet);
}

/** An answer that is read while it arrives; who reads it sets the time limits, with *signal*. */
export async function stream(path, signal) {
  const answer = await fetched(address(path), {...OPTIONS, headers: headersOf(), signal});
  if (answer.ok) return answer.body;
  throw refusal(answer.status, await answer.json().catch(() => ({})), answer.headers.get("Retry-After"));
}

/** The address of *path* with what *query* has a value for. */
export function address(path, query = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value != null && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

/** The headers of a request: *more*, and the key. */
export const headersOf = (more = {}) => ({Accept: "application/json", ...(key() ? {Authorization: `Bearer ${key()}`} : {}), ...more});

/** What an answer refuses; 401 also asks for another key. */
export function refusal(status, content, retryAfter, isQuiet = false) {
  if (status === 401 && !isQuiet) refused();
  return new ApiError(status, content.error || {message: `The answer was ${status}.`, code: "UNKNOWN"}, Number(retryAfter) || 0);
}

export const noAnswer = () => new ApiError(0, {message: "The instance does not answer.", code: "NO_ANSWER", retryable: true}, 0);

async function fetched(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw noAnswer();
  }
}

export const get = (path, query, more) => call("GET", path, {query, ...more});

/** Do what is safe to repeat, and repeat it while that may help. */
export async function persistently(act) {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (tries === TRIES || !error.retryable) throw error;
      await new Promise(done => setTimeout(done, Math.min(error.retryAfter || 1, 3) * 1000));
    }
  }
}

/** Change something once, however often it has to be sent. */
export function change(path, body = {}) {
  const once = {...body, unique_id: uniqueId()};
  return persistently(() => call("POST", path, {body: once}));
}

/** The path of a user. */
export const ofUser = user => `v2/users/${encodeURIComponent(user)}`;

/** The path of what a user has taught; null: what belongs to no user. */
export const ofOwner = user => (user === null ? "v2/anonymous" : ofUser(user));

/** The path below one session. */
export const ofSession = (id, rest = "") => `v2/sessions/${encodeURIComponent(id)}${rest}`;
