// Knowledge as the lines that an export has: saved as a file, and put in. The service checks them.

import {ApiError, address, headersOf, noAnswer, ofOwner, refusal, stream, uniqueId} from "./api.js";
import {$, fill, h, plural, thousands} from "./dom.js";
import {ask} from "./pieces.js";
import {state} from "./state.js";

const FORMAT = "kato-knowledge", LINES = "application/x-ndjson", NEWLINE = 10;
const HEAD_CHARS = 2 ** 20, TAIL_BYTES = 2048, MIB = 2 ** 20;
/** Milliseconds without any news. Before it begins to put lines in, an instance checks all of them. */
const PATIENCE_MS = 300_000;

// ---- export ------------------------------------------------------------------------------------

/** Save all knowledge of *user* as a file; *progress* gets how many lines there are so far. */
export async function save(user, progress) {
  const ending = new AbortController();
  let timer = 0, lines = 0, tail = new Uint8Array();
  const wait = () => { clearTimeout(timer); timer = setTimeout(() => ending.abort(), PATIENCE_MS); };
  const seen = new TransformStream({transform(piece, onwards) {
    wait();
    for (const byte of piece) if (byte === NEWLINE) lines++;
    tail = joined(tail, piece).slice(-TAIL_BYTES);
    progress(lines);
    onwards.enqueue(piece);
  }});
  wait();
  try {
    const found = await stream(`${ofOwner(user)}/knowledge:export`, ending.signal);
    const file = await new Response(found.pipeThrough(seen).pipeThrough(new CompressionStream("gzip"))).blob();
    requireWhole(new TextDecoder().decode(tail));
    offer(file, `${user ?? "kato"}.jsonl.gz`);
  } catch (error) {
    throw error instanceof ApiError ? error : noAnswer();
  } finally {
    clearTimeout(timer);
  }
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** A whole export ends with a checksum; one that failed, with an error. */
function requireWhole(tail) {
  const last = parsed(tail.trimEnd().split("\n").at(-1));
  if (last?.error) throw new ApiError(200, last.error, 0);
  if (!last?.sha256) throw new ApiError(200, {code: "CUT_OFF", message: "The export was cut off. Export again.", retryable: true}, 0);
}

function offer(file, name) {
  const url = URL.createObjectURL(file);
  h("a", {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// ---- import ------------------------------------------------------------------------------------

/** How *file* begins: whether it is compressed, and the header of an export, or null. */
export async function beginning(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer()), isPacked = first === 0x1f && second === 0x8b;
  const bytes = isPacked ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
  const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (let piece = {}; !piece.done && !text.includes("\n") && text.length < HEAD_CHARS; text += piece.value ?? "") piece = await reader.read();
  } catch {
    text = ""; // it only looks compressed
  }
  reader.cancel().catch(() => {});
  const header = parsed(text.split("\n", 1)[0]);
  return {isPacked, header: header?.format === FORMAT ? header : null};
}

/** Put *lines* in, for *user*. *hear* gets {sent, size} in bytes, later counts; gives the counts at the end. */
export function putIn(lines, user, {query, isPacked = false, hear = () => {}, signal} = {}) {
  const headers = headersOf({"Content-Type": LINES, ...(isPacked ? {"Content-Encoding": "gzip"} : {})});
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much of a body was sent
    let timer = 0, read = 0, summary = null;
    const wait = () => { clearTimeout(timer); timer = setTimeout(() => request.abort(), PATIENCE_MS); };
    const take = () => {
      const whole = request.responseText.lastIndexOf("\n") + 1;
      for (const line of request.responseText.slice(read, whole).split("\n")) {
        const told = parsed(line);
        if (told?.progress) hear(told.progress);
        summary = told?.summary ?? summary;
      }
      read = whole;
    };
    request.open("POST", address(`${ofOwner(user)}/knowledge:import`, query));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = event => { wait(); hear({sent: event.loaded, size: event.total}); };
    request.onprogress = () => { wait(); if (request.status === 200) take(); };
    request.onload = () => {
      if (request.status !== 200) return reject(refusal(request.status, parsed(request.responseText) ?? {}, request.getResponseHeader("Retry-After")));
      take();
      if (summary?.complete) return resolve(summary);
      return reject(summary ? new ApiError(200, summary.error, 0) : noAnswer());
    };
    request.onerror = request.onabort = () => reject(signal?.aborted ? signal.reason : noAnswer());
    request.onloadend = () => clearTimeout(timer);
    signal?.addEventListener("abort", () => request.abort(), {once: true});
    wait();
    request.send(lines);
  });
}

/** The dialog that imports an export: what it is, what becomes of what is there, how far it is. */
export class KnowledgeFile {
  #abort = new AbortController();
  #id = uniqueId();

  /** *done* gets what to tell, or "" when it was refused, which the dialog tells. */
  constructor(file, {isPacked, header}, done) {
    Object.assign(this, {file, isPacked, header, done});
  }

  open() {
    const {patterns, version} = this.header;
    this.mode = h("select", {id: "im-mode"}, h("option", {value: "merge"}, "It stays, and the file is added to it"), h("option", {value: "replace"}, "It is dropped first, without undo"));
    this.vectors = h("input", {type: "checkbox", id: "im-vectors", checked: true});
    this.note = h(".note-b.sm", {});
    ask(`Import ${this.file.name}`, [
      h("p", {}, `An export of KATO: ${plural(patterns, "pattern")}${version > 1 ? ", and vectors" : ""}.`), h("p.sm.q", {}, "The instance checks all of it before anything changes."),
      h("label.field", {}, h("span", {}, "What is there already"), this.mode), version > 1 ? h("label.sm.check", {}, this.vectors, "import the vectors, too") : null, this.note,
    ], [["Import", () => this.#import(), true]]);
    $("#dialog").addEventListener("close", () => this.#abort.abort(new DOMException("closed", "AbortError")), {once: true});
  }

  async #import() {
    if (this.isBusy) return false;
    this.isBusy = true;
    // An export that is in already counts once; to replace what is there, it has to count again.
    const query = this.mode.value === "replace" ? {mode: "replace", unique_id: this.#id} : {};
    if (!this.vectors.checked) query.vectors = "false";
    try {
      const done = await putIn(this.file, state.user, {query, isPacked: this.isPacked, hear: news => this.#show(news), signal: this.#abort.signal});
      this.done(this.#told(done));
      return true;
    } catch (error) {
      if (error.name !== "AbortError") this.#refused(error);
      this.done(error.name === "AbortError" ? `The import of ${this.file.name} was stopped, and a part of it may be in. Import it again to complete it.` : "");
      return false;
    } finally {
      this.isBusy = false;
    }
  }

  #show({sent, size, parts, imported, repeated}) {
    const isSent = sent === size, mib = bytes => (bytes / MIB).toFixed(1);
    const [now, most] = parts === undefined ? [sent, size] : [imported + repeated, parts];
    const said = parts !== undefined ? `${thousands(now)} of ${thousands(parts)} are in` : isSent ? "The instance checks it…" : `${mib(sent)} of ${mib(size)} MiB sent`;
    fill(this.note, h("progress", parts === undefined && isSent ? {"aria-label": "Imported"} : {max: most || 1, value: now, "aria-label": "Imported"}), h("p", {}, said));
  }

  #refused(error) {
    const reasons = error.details.map(one => one.reason);
    fill(this.note, h("p.bad-t", {role: "alert"}, error.message), reasons.length > 1 ? h("ul", {}, reasons.map(reason => h("li", {}, reason))) : null, error.retryable ? h("p", {}, "Import it again: it continues where it stopped, and nothing counts twice.") : null);
  }

  #told({parts, repeated, vectors, replaced}) {
    const {name} = this.file;
    if (parts && repeated === parts) return `${name} was imported here before, so nothing changed.`;
    return [`${name} is imported: ${plural(this.header.patterns, "pattern")}`, vectors ? `, ${plural(vectors, "vector")}` : "", repeated ? "; an earlier import had put some of it in" : "", replaced ? "; what was there was dropped first" : "", "."].join("");
  }
}
