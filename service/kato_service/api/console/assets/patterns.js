// The patterns of a session's knowledge base, page by page. The service lists them in the order of
// their first learn, all or those with a symbol. Whatever else is sought, and any other order, is found by
// looking through its pages and keeping what is best.

import {get, ofSession} from "./api.js";

const PAGE = 1000, KEPT_PAGES = 30, BEST = 2000;

const VALUES = {frequency: one => one.frequency, events: one => one.pattern_data.length, symbols: one => one.length};

/** A page; *symbols*: only patterns that hold them all. */
const listed = (session, cursor, {signal, symbols = []} = {}) => get(ofSession(session, "/patterns"), {limit: PAGE, cursor, symbols: symbols.length ? JSON.stringify(symbols) : null}, {signal});

/** How many patterns there are now. */
export async function total(session) {
  const {explanation} = await get(ofSession(session, "/predictions"), {explain: true, limit: 1, recall_threshold: 1});
  return explanation.patterns;
}

/** Every page, first learned first, until *stop* returns true. */
export async function eachPage(session, take, options) {
  let cursor = null;
  do {
    const page = await listed(session, cursor, options);
    if (take(page.patterns) === true) return;
    cursor = page.next_cursor;
  } while (cursor);
}

/** Whether each word of *sought* is in some symbol of a pattern, or its name begins with *sought*. */
function holds(pattern, sought) {
  const low = sought.toLowerCase(), symbols = pattern.pattern_data.flat().map(symbol => symbol.toLowerCase());
  return low.split(/\s+/).every(word => symbols.some(symbol => symbol.includes(word))) || pattern.name.slice(5).startsWith(low.replace(/^ptrn\|/, ""));
}

/** The list in the service's own order, of which only some pages are in memory. */
export class Listing {
  #pages = new Map();
  #first = [0];
  #cursors = [null];
  #loading = null;

  /** *all*: how many there are, as far as that is known; *symbols*: only patterns that hold them all. */
  constructor(session, all, symbols = []) {
    this.session = session;
    this.symbols = symbols;
    this.length = all;
    this.isWhole = !symbols.length;
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
    const {patterns, next_cursor: next} = await listed(this.session, this.#cursors[page], {symbols: this.symbols});
    this.#pages.delete(page);
    this.#pages.set(page, patterns);
    while (this.#pages.size > KEPT_PAGES) this.#pages.delete(this.#pages.keys().next().value);
    const end = this.#first[page] + patterns.length;
    if (next) [this.#first[page + 1], this.#cursors[page + 1]] = [end, next];
    else [this.length, this.isWhole] = [end, true];
    this.length = Math.max(this.length, next ? end + 1 : end);
  }
}

/** What a search found, or the best of a sort: all in memory. */
export class Found {
  #rows;

  constructor(rows, isWhole, symbols) {
    this.#rows = rows;
    this.symbols = symbols;
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

/** Look through all patterns, or all that hold *symbols*. *progress* gets how many were looked at. */
export async function search(session, {sought, symbols, sort, direction, signal, progress}) {
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
  }, {signal, symbols});
  order();
  return new Found(rows, !dropped, symbols);
}
