// The patterns of a session's knowledge base, page by page. The service lists them in the order of
// their first learn; searching and sorting look through its pages and keep what is best.

import {get, ofSession} from "./api.js";

const PAGE = 1000, KEPT_PAGES = 30, BEST = 2000;

const VALUES = {frequency: one => one.frequency, events: one => one.pattern_data.length, symbols: one => one.length};

const listed = (session, cursor, signal) => get(ofSession(session, "/patterns"), {limit: PAGE, cursor}, {signal});

/** How many patterns there are now. */
export async function total(session) {
  const {explanation} = await get(ofSession(session, "/predictions"), {explain: true, limit: 1, recall_threshold: 1});
  return explanation.patterns;
}

/** Every page, first learned first, until *stop* returns true. */
export async function eachPage(session, take, signal) {
  let cursor = null;
  do {
    const page = await listed(session, cursor, signal);
    if (take(page.patterns) === true) return;
    cursor = page.next_cursor;
  } while (cursor);
}

/** Whether a pattern has a symbol with *sought* in it, or a name that begins with it. */
export function holds(pattern, sought) {
  const low = sought.toLowerCase(), name = low.replace(/^ptrn\|/, "");
  return pattern.pattern_data.some(event => event.some(symbol => symbol.toLowerCase().includes(low))) || pattern.name.slice(5).startsWith(name);
}

/** The list in the service's own order, of which only some pages are in memory. */
export class Listing {
  #pages = new Map();
  #first = [0];
  #cursors = [null];
  #loading = null;

  constructor(session, all) {
    this.session = session;
    this.length = all;
    this.isWhole = true;
  }

  /** The pattern at *place*, or undefined while it is not in memory. */
  at(place) {
    const page = this.#pageOf(place);
    return page === null ? undefined : this.#pages.get(page)?.[place - this.#first[page]];
  }

  /** Have *place* in memory; true if that took a request, so that it is worth looking again. */
  async load(place) {
    if (this.at(place) || place >= this.length) return false;
    this.#loading ||= this.#fetch(place).finally(() => { this.#loading = null; });
    await this.#loading;
    return true;
  }

  /** The page that has *place*, if its cursor is known; pages of large patterns are shorter. */
  #pageOf(place) {
    let low = 0, high = this.#first.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#first[middle] <= place) low = middle;
      else high = middle - 1;
    }
    return this.#cursors[low] === undefined ? null : low;
  }

  async #fetch(place) {
    const page = this.#pageOf(place);
    if (page === null) return;
    const {patterns, next_cursor: next} = await listed(this.session, this.#cursors[page]);
    this.#pages.delete(page);
    this.#pages.set(page, patterns);
    while (this.#pages.size > KEPT_PAGES) this.#pages.delete(this.#pages.keys().next().value);
    const end = this.#first[page] + patterns.length;
    if (next) [this.#first[page + 1], this.#cursors[page + 1]] = [end, next];
    else this.length = end;
    this.length = Math.max(this.length, next ? end + 1 : end);
  }
}

/** What a search found, or the best of a sort: all in memory. */
export class Found {
  #rows;

  constructor(rows, isWhole) {
    this.#rows = rows;
    this.length = rows.length;
    this.isWhole = isWhole;
  }

  at(place) {
    return this.#rows[place];
  }

  async load() {
    return false;
  }
}

/** Look through all patterns. *progress* gets how many were looked at. */
export async function search(session, {sought, sort, direction, signal, progress}) {
  const value = VALUES[sort];
  let rows = [], looked = 0, dropped = false;
  const order = () => value && rows.sort((a, b) => direction * (value(a) - value(b)));
  await eachPage(session, patterns => {
    looked += patterns.length;
    rows = rows.concat(sought ? patterns.filter(one => holds(one, sought)) : patterns);
    if (rows.length > 2 * BEST && value) order();
    if (rows.length > BEST) dropped = (rows.splice(BEST), true);
    progress(looked, rows.length);
    return signal.aborted || (dropped && !value);
  }, signal);
  order();
  return new Found(rows, !dropped);
}
