// The field in which the next event is put together: symbols, emotives and vectors as chips.

import {h, say} from "./dom.js";

const EMOTIVE = /^([^\s=]+)=(-?\d+(?:\.\d+)?)$/;
const MOST_NUMBERS = 4096;

/** The vector that *text* is, as a JSON list or as numbers with commas, blanks or lines between; else null. */
export function vectorIn(text) {
  const bare = text.trim().replace(/^\[+|\]+$/g, "");
  const numbers = bare.split(/[\s,;]+/).filter(Boolean).map(Number);
  const several = numbers.length >= (text.trim().startsWith("[") ? 1 : 3);
  return several && numbers.length <= MOST_NUMBERS && numbers.every(Number.isFinite) ? numbers : null;
}

/** The vectors of a file: a JSON list, a list of lists, or one vector a line. */
export function vectorsIn(text) {
  try {
    const parsed = JSON.parse(text);
    const all = Array.isArray(parsed?.[0]) ? parsed : [parsed];
    if (all.every(one => Array.isArray(one) && one.length && one.every(Number.isFinite))) return all;
  } catch { /* not JSON: lines, then */ }
  const lines = text.split(/\r?\n/).filter(line => line.trim()).map(vectorIn);
  return lines.every(Boolean) ? lines : [];
}

export class Composer {
  strings = [];
  emotives = {};
  vectors = [];
  node = h("section", {"aria-labelledby": "c-h"});
  #typed = "";
  /** Events that come into the field after the one that is there. */
  #next = [];
  /** The place of the event in the field among those that were entered; Infinity: it was not entered yet. */
  #place = Infinity;
  /** How many events were entered, and how often all were forgotten. */
  #entered = 0;
  #forgotten = 0;

  /** *act* has observe(event) and learn(); *likely* gives what probably comes next. */
  constructor(act, likely) {
    this.act = act;
    this.likely = likely;
  }

  get isEmpty() {
    return !(this.strings.length + this.vectors.length + Object.keys(this.emotives).length);
  }

  put(symbol) {
    this.strings.push(symbol);
    this.draw(true);
  }

  /** Forget the event, and those that are on their way: if they fail, they do not come back. */
  clear() {
    [this.#typed, this.#next, this.#forgotten] = ["", [], this.#forgotten + 1];
    this.#show();
    this.draw();
  }

  #event() {
    return {content: {strings: this.strings, vectors: this.vectors, emotives: this.emotives}, place: this.#place};
  }

  #show({content, place} = {content: {strings: [], vectors: [], emotives: {}}, place: Infinity}) {
    Object.assign(this, content);
    this.#place = place;
  }

  /** Events that were not observed come back one by one, in the order in which they were entered; what was added since follows. */
  #putBack(event) {
    this.#add(this.#typed);
    this.#typed = "";
    const all = [...(this.isEmpty ? [] : [this.#event()]), ...this.#next, event].sort((one, other) => one.place - other.place);
    this.#show(all.shift());
    this.#next = all;
  }

  #add(raw) {
    const text = raw.trim();
    const emotive = EMOTIVE.exec(text);
    if (!text) return;
    if (emotive) this.emotives[emotive[1]] = Number(emotive[2]);
    else this.strings.push(text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text);
  }

  async #observe() {
    this.#add(this.#typed);
    this.#typed = "";
    const event = this.#event(), isEmpty = this.isEmpty, forgotten = this.#forgotten;
    if (event.place === Infinity) event.place = this.#entered++;
    this.#show(this.#next.shift());
    this.draw(true);
    if (isEmpty || await this.act.observe(event.content) || forgotten !== this.#forgotten) return;
    this.#putBack(event);
    this.draw();
  }

  #key(event) {
    const text = event.target.value, quoted = text.startsWith('"') && !(text.length > 1 && text.endsWith('"'));
    if (event.key === "Enter") {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) this.act.learn();
      else this.#observe();
    } else if ((event.key === " " || event.key === ",") && text.trim() && !quoted) {
      event.preventDefault();
      this.#add(text);
      this.#typed = "";
      this.draw(true);
    } else if (event.key === "Backspace" && !text && !this.isEmpty) {
      if (this.vectors.length) this.vectors.pop();
      else if (Object.keys(this.emotives).length) delete this.emotives[Object.keys(this.emotives).at(-1)];
      else this.strings.pop();
      this.draw(true);
    }
  }

  #paste(event) {
    const text = event.clipboardData.getData("text"), vector = vectorIn(text);
    const words = text.trim().split(/\s+/);
    if (!vector && words.length < 2) return;
    event.preventDefault();
    if (vector) this.vectors.push(vector);
    else words.forEach(word => this.#add(word));
    this.draw(true);
  }

  async #drop(event) {
    event.preventDefault();
    for (const file of event.dataTransfer.files) {
      const found = vectorsIn(await file.text().catch(() => "")); // a folder has none
      this.vectors.push(...found);
      say(found.length ? `${found.length} vectors added` : `No vector found in ${file.name}`);
    }
    this.draw(true);
  }

  #chip(kind, text, remove) {
    const button = h("button", {type: "button", "aria-label": `Remove ${text}`, onclick: () => { remove(); this.draw(true); }}, "×");
    return h(`span.chip${kind}`, {}, text, button);
  }

  draw(focus = false) {
    const field = h("input", {id: "in", "aria-label": "Symbol", "aria-describedby": "c-hint", autocomplete: "off", spellcheck: "false",
      value: this.#typed, placeholder: this.isEmpty ? "Type symbols, e.g. bread butter" : "",
      oninput: event => { this.#typed = event.target.value; }, onkeydown: event => this.#key(event), onpaste: event => this.#paste(event)});
    const held = focus || this.node.contains(document.activeElement);
    const likely = this.likely();
    this.node.replaceChildren(
      h(".hd", {}, h("h2", {id: "c-h"}, "Next event")),
      h(".composer", {ondragover: event => event.preventDefault(), ondrop: event => this.#drop(event)},
        this.strings.map((text, at) => this.#chip("", text, () => this.strings.splice(at, 1))),
        Object.entries(this.emotives).map(([name, value]) => this.#chip(".emo", `${name} ${value}`, () => delete this.emotives[name])),
        this.vectors.map((vector, at) => this.#chip(".emo", `vector of ${vector.length}`, () => this.vectors.splice(at, 1))),
        field, h("button.btn", {type: "button", onclick: () => this.#observe()}, "Observe")),
      h(".hint", {}, likely.length ? ["Likely next", likely.map(symbol => h("button", {type: "button", title: "Put into the next event", onclick: () => this.put(symbol)}, symbol))] : null,
        h("span.r", {id: "c-hint"}, h("kbd", {}, "space"), " chip  ", h("kbd", {}, "enter"), " observe  ", h("kbd", {}, "calm=0.8"), " emotive  ", h("kbd", {}, "[0.1, 0.2]"), " paste or drop a vector")));
    if (held) field.focus({preventScroll: true});
  }
}
