// What the page remembers: for the tab, which sessions it made; for the browser, the theme and whether
// single letters are keys. Ids of sessions grant access to them, so they end with the tab.

import {ApiError, call, get, ofSession} from "./api.js";

const SESSIONS = "kato-sessions";
const PREFERENCES = "kato-console";
const MOST_SESSIONS = 12;

/** What views share. */
export const state = {
  health: null,
  /** The user whose knowledge is looked at; null: the caller's own, or that of sessions without a user. */
  user: null,
  users: [],
  /** How often a user was chosen: what was asked for before another choice comes too late. */
  choices: 0,
  /** The chosen session, as the service tells it; null: none yet. */
  session: null,
  /** Changes of patterns that can be undone, by anyone whom this page acts for. */
  undo: [],
};

function stored(storage, name, otherwise) {
  try {
    return JSON.parse(storage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export const preferences = stored(localStorage, PREFERENCES, {theme: "auto", letters: true});
export function prefer(name, value) {
  preferences[name] = value;
  localStorage.setItem(PREFERENCES, JSON.stringify(preferences));
}

/** The ids of sessions that this tab may open, the last chosen first. */
export const remembered = () => stored(sessionStorage, SESSIONS, []);
export function remember(id) {
  const ids = [id, ...remembered().filter(one => one !== id)].slice(0, MOST_SESSIONS);
  sessionStorage.setItem(SESSIONS, JSON.stringify(ids));
}
export function forgetSession(id) {
  sessionStorage.setItem(SESSIONS, JSON.stringify(remembered().filter(one => one !== id)));
}

export const isKeyless = () => state.health?.auth.mode === "none";

/** What a session is called. */
export const label = session => session.metadata?.name || session.session_id.slice(0, 8);

/** Make a session of the chosen user, and choose it; null if another user was chosen meanwhile. */
export async function newSession(name = "", config = undefined) {
  const {user, choices} = state, body = {metadata: name ? {name} : {}};
  if (user !== null) body.user_id = user;
  if (config) body.config = config;
  const made = await call("POST", "v2/sessions", {body});
  if (state.choices !== choices) return null;
  choose(made);
  return made;
}

export function choose(session) {
  state.session = session;
  if (session) {
    remember(session.session_id);
    state.user = session.user_id;
  }
}

/** Choose the session that was chosen before the page was loaded again. */
export async function restore() {
  const [id] = remembered();
  const session = id ? await found(id) : null;
  if (session) choose(session);
}

/** The session, or null if it has ended. */
export async function found(id) {
  try {
    return await get(ofSession(id));
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    forgetSession(id);
    return null;
  }
}

/** The sessions of the chosen user that can be opened, the last used first, and how many cannot.
 *  With a key and no user chosen, they are all that the key may see. */
export async function openSessions() {
  const query = {limit: 200};
  if (state.user !== null) query.user_id = state.user;
  const {sessions} = await get("v2/sessions", query);
  const known = isKeyless() ? (await Promise.all(remembered().map(found))).filter(Boolean) : sessions;
  const isOwn = one => one.user_id === state.user || (state.user === null && !isKeyless());
  const own = known.filter(isOwn);
  own.sort((a, b) => b.last_accessed.localeCompare(a.last_accessed));
  return {sessions: own, others: Math.max(0, sessions.filter(isOwn).length - own.length)};
}

/** Everybody whom the caller may see: those with knowledge, and those with sessions. */
export async function loadUsers() {
  const names = new Set(state.user === null ? [] : [state.user]);
  for (const one of (await get("v2/sessions", {limit: 1000})).sessions) names.add(one.user_id);
  try {
    for (const one of (await get("v2/users", {limit: 1000})).users) names.add(one.user_id);
  } catch (error) {
    if (error.status !== 403) throw error; // it takes the scope admin
  }
  names.delete(null);
  state.users = [...names].sort();
}
