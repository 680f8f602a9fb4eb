// A file becomes sequences to learn: text, CSV with chosen columns, or JSON lines. They are learned in
// batches that carry an id, so that a batch whose answer is lost is sent again and counts once.

import {call, uniqueId} from "./api.js";
import {$, fill, h, plural, say} from "./dom.js";
import {KnowledgeFile, beginning} from "./moving.js";
import {ask, sequence} from "./pieces.js";
import {state} from "./state.js";

const MOST_BYTES = 64 * 2 ** 20, BATCH = 500, BATCH_CHARS = 1_000_000, MOST_EVENTS = 1000, PREVIEW = 3, TRIES = 4;

/** The rows of a CSV text; quotes as in RFC 4180. */
export function csvRows(text) {
  const cut = text.split("\n", 1)[0], comma = [";", "\t", ","].reduce((best, one) => (cut.split(one).length > cut.split(best).length ? one : best), ",");
  const rows = [[""]];
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at], row = rows.at(-1);
    if (quoted) {
      if (sign !== '"') row[row.length - 1] += sign;
      else if (text[at + 1] === '"') row[row.length - 1] += text[++at];
      else quoted = false;
    } else if (sign === '"' && row.at(-1) === "") quoted = true;
    else if (sign === comma) row.push("");
    else if (sign === "\n") rows.push([""]);
    else if (sign !== "\r") row[row.length - 1] += sign;
  }
  return rows.filter(row => row.length > 1 || row[0] !== "");
}

/** The sequences of rows: one event a row, one sequence for each run of rows with the same group. */
export function sequencesOfRows([head, ...rows], {group, symbols, named}) {
  const found = new Map();
  for (const row of rows) {
    const event = symbols.filter(at => row[at]?.trim()).map(at => (named ? `${head[at]}=${row[at].trim()}` : row[at].trim()));
    const id = group < 0 ? "" : row[group] ?? "";
    if (!found.has(id)) found.set(id, []);
    if (event.length) found.get(id).push(event);
  }
  return [...found.values()].map(events => ({events}));
}

/** The sequences of plain text: a line is a sequence of words, or a word list; blank lines part sequences. */
export function sequencesOfText(text, lineIsEvent) {
  const words = line => line.trim().split(/\s+/).filter(Boolean);
  if (!lineIsEvent) return text.split(/\r?\n/).map(line => ({events: words(line).map(word => [word])})).filter(one => one.events.length);
  return text.split(/\r?\n\s*\r?\n/).map(part => ({events: part.split(/\r?\n/).map(words).filter(event => event.length)})).filter(one => one.events.length);
}

/** The sequence of a line of JSON: a list of events or symbols, an object for /v2/learn, or a pattern. */
function sequenceOfJson(value, where) {
  const isSymbol = one => typeof one === "string" || typeof one === "number", isEvent = one => (Array.isArray(one) ? one.every(isSymbol) : isSymbol(one));
  const given = Array.isArray(value) ? value : value?.pattern_data ?? value?.strings ?? value?.events;
  if (given === undefined && Array.isArray(value?.observations)) return value;
  if (!Array.isArray(given) || !given.every(isEvent)) throw new Error(`${where} is neither a list of events nor an object with "events" or "observations". An event is a symbol or a list of symbols.`);
  const events = given.map(one => [one].flat().map(String));
  return value.events ? {...value, events} : {events};
}

export function sequencesOfJson(text) {
  const parsed = (line, where) => {
    try {
      return JSON.parse(line);
    } catch {
      throw new Error(`${where} is not JSON.`);
    }
  };
  if (text.trim().startsWith("[[") && !text.trim().includes("\n")) return parsed(text, "Line 1").map((one, at) => sequenceOfJson(one, `Sequence ${at + 1}`));
  return text.split(/\r?\n/).flatMap((line, at) => (line.trim() ? [sequenceOfJson(parsed(line, `Line ${at + 1}`), `Line ${at + 1}`)] : []));
}

/** Learn *sequences*, each once however often they come with the same *id*; *progress* gets how many are done.
 *  Returns sums, and the first problems. */
export async function learnAll(sequences, id, progress, signal) {
  const sums = {learned: 0, insufficient_data: 0, errors: 0}, problems = [];
  for (let first = 0, batch = 0; first < sequences.length; batch++) {
    const some = [];
    let chars = 0;
    while (first + some.length < sequences.length && some.length < BATCH && (chars < BATCH_CHARS || !some.length)) {
      const one = {...sequences[first + some.length]};
      if (state.user !== null) one.user_id = state.user;
      chars += JSON.stringify(one).length;
      some.push(one);
    }
    const {results, summary} = await sent(some, `${id}-${batch}`, signal);
    for (const name of Object.keys(sums)) sums[name] += summary[name];
    sums.learned += summary.repeated;
    problems.push(...results.filter(one => one.error).slice(0, 5 - problems.length).map(one => `Sequence ${first + one.line}: ${one.error.message}`));
    first += some.length;
    progress(first);
  }
  return {...sums, problems};
}

async function sent(sequences, id, signal) {
  for (let tries = 1; ; tries++) {
    try {
      const done = await call("POST", "v2/learn", {query: {answers: "errors", unique_id: id}, body: {sequences}, signal});
      if (!done.summary.error) return done;
      if (tries === TRIES || !done.summary.error.retryable) throw new Error(done.summary.error.message);
    } catch (error) {
      if (tries === TRIES || !error.retryable) throw error;
    }
    await new Promise(done => setTimeout(done, 1000 * tries));
  }
}

/** Ask how to read *file*, then learn or import it; *done* gets what to tell, if it is not told here. */
export async function importFile(file, done) {
  const begun = await beginning(file).catch(() => null);
  if (!begun) return ask("This file cannot be read", [h("p", {}, "It may be a folder, or it was moved since. Drop the files of a folder one by one.")], []);
  if (begun.header) return new KnowledgeFile(file, begun, done).open();
  if (begun.isPacked) return ask("This file cannot be read here", [h("p", {}, "A compressed file has to be an export of KATO. Decompress any other one first.")], []);
  if (file.size > MOST_BYTES) return ask("That file is too large here", [h("p", {}, `A page reads up to ${MOST_BYTES / 2 ** 20} MiB. Use kato-service import, or POST /v2/learn with a stream of lines.`)], []);
  const text = (await file.text()).replace(/^\ufeff/, "");
  const kind = /\.(csv|tsv)$/i.test(file.name) ? "csv" : /\.(jsonl|ndjson|json)$/i.test(file.name) ? "json" : "text";
  return new Import(file.name, text, kind, done).open();
}

class Import {
  #rows = [];
  #id = "";
  #abort = new AbortController();

  constructor(name, text, kind, done) {
    [this.name, this.text, this.kind, this.done] = [name, text, kind, done];
    this.choices = {group: -1, symbols: [], named: false, lineIsEvent: false};
    if (kind === "csv") this.#rows = csvRows(text);
    if (kind === "csv") this.choices.symbols = (this.#rows[0] || []).map((_, at) => at);
  }

  open() {
    this.options = h("div", {});
    this.preview = h(".preview", {});
    this.note = h("p.sm", {role: "status"});
    ask(`Learn from ${this.name}`, [h("label.field", {}, h("span", {}, "What it is"), h("select", {id: "im-kind", onchange: event => { this.kind = event.target.value; if (this.kind === "csv") this.#rows = csvRows(this.text); this.#draw(); }},
      [["text", "Text"], ["csv", "CSV: one event a row"], ["json", "JSON lines"]].map(([value, said]) => h("option", {value, selected: value === this.kind}, said)))),
    this.options, this.preview, this.note], [["Learn", () => this.#learn(), true]]);
    $("#dialog").addEventListener("close", () => this.#abort.abort(), {once: true});
    this.#draw();
  }

  #draw() {
    fill(this.options, this.kind === "csv" ? this.#columns() : this.kind === "text" ? this.#lines() : []);
    this.#look();
  }

  #lines() {
    return h("label.field", {}, h("span", {}, "How to read it"), h("select", {id: "im-lines", onchange: event => { this.choices.lineIsEvent = event.target.value === "event"; this.#look(); }},
      h("option", {value: "line"}, "Each line is a sequence, each word an event"), h("option", {value: "event", selected: this.choices.lineIsEvent}, "Each line is an event, blank lines part sequences")));
  }

  #columns() {
    const head = this.#rows[0] || [];
    return [
      h("label.field", {}, h("span", {}, "Rows belong together by"), h("select", {id: "im-group", onchange: event => { this.choices.group = Number(event.target.value); this.choices.symbols = this.choices.symbols.filter(at => at !== this.choices.group); this.#draw(); }},
        h("option", {value: -1}, "all rows are one sequence"), head.map((name, at) => h("option", {value: at, selected: at === this.choices.group}, name)))),
      h("fieldset", {}, h("legend.sm", {}, "Columns with symbols"), head.map((name, at) => (at === this.choices.group ? null : h("label.sm.check", {}, h("input", {type: "checkbox", id: `im-c${at}`, checked: this.choices.symbols.includes(at),
        onchange: event => { this.choices.symbols = event.target.checked ? [...this.choices.symbols, at].sort((a, b) => a - b) : this.choices.symbols.filter(one => one !== at); this.#look(); }}), name)))),
      h("label.sm.check", {}, h("input", {type: "checkbox", id: "im-named", checked: this.choices.named, onchange: event => { this.choices.named = event.target.checked; this.#look(); }}), "write symbols as column=value"),
    ];
  }

  #sequences() {
    if (this.kind === "csv") return sequencesOfRows(this.#rows, this.choices);
    return this.kind === "json" ? sequencesOfJson(this.text) : sequencesOfText(this.text, this.choices.lineIsEvent);
  }

  #look() {
    this.#id = uniqueId(); // what is read in another way is another import
    try {
      const found = this.#sequences(), long = found.filter(one => (one.events || one.observations || []).length > MOST_EVENTS).length;
      fill(this.preview, h("h3", {}, plural(found.length, "sequence")), found.slice(0, PREVIEW).map(one => h("p.sm", {}, sequence(one.events || (one.observations || []).map(each => each.strings || [])))),
        long ? h("p.sm.bad-t", {}, `${plural(long, "sequence")} with more than ${MOST_EVENTS} events will be refused.`) : null);
    } catch (error) {
      fill(this.preview, h("p.sm.bad-t", {role: "alert"}, error.message));
    }
  }

  async #learn() {
    const bar = h("progress", {max: 1, "aria-label": "Learned"});
    fill(this.note, bar);
    try {
      const sequences = this.#sequences();
      bar.max = sequences.length || 1;
      const {learned, insufficient_data: few, errors, problems} = await learnAll(sequences, this.#id, at => { bar.value = at; }, this.#abort.signal);
      const said = `${plural(learned, "sequence")} learned${few ? `, ${few} had less than two symbols` : ""}${errors ? `, ${errors} refused` : ""}.`;
      say(said);
      this.done("");
      if (!errors) return true;
      fill(this.note, h("p.bad-t", {}, said), problems.map(one => h("p", {}, one)));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.note, h("span.bad-t", {}, error.message));
    }
    return false;
  }
}
