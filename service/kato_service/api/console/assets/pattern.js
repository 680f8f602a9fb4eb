// The page of one pattern: events, emotives, what surrounds a symbol, similar patterns; edit and delete.

import {call, get, ofSession} from "./api.js";
import {fill, h, plural, s, say} from "./dom.js";
import {graph, transitions} from "./graph.js";
import {alertBox, ask, bar, copy, sequence, short, shown} from "./pieces.js";
import {state} from "./state.js";

const NEIGHBOURS = 6, LEAST_SIMILARITY = 0.1, LINES = 4, MOST_EVENTS = 1000, MOST_DRAWN = 60;

/** Emotives over the last learns: one line each. */
function chart(maps) {
  const names = [...new Set(maps.flatMap(Object.keys))].slice(0, LINES);
  const values = maps.flatMap(Object.values), low = Math.min(0, ...values), high = Math.max(1, ...values);
  const W = 436, H = 104, R = 110, x = at => (maps.length > 1 ? at / (maps.length - 1) * (W - R) : (W - R) / 2), y = value => 16 + (high - value) / (high - low) * (H - 24);
  const labels = names.map(name => [name, y(maps.findLast(map => name in map)[name])]).sort((a, b) => a[1] - b[1]);
  labels.forEach((one, at) => { if (at) one[1] = Math.max(one[1], labels[at - 1][1] + 14); });
  const line = name => maps.map((map, at) => (name in map ? `${x(at).toFixed(1)} ${y(map[name]).toFixed(1)}` : null)).filter(Boolean).join("L");
  const said = names.map(name => `${name} from ${maps.find(map => name in map)[name]} to ${maps.findLast(map => name in map)[name]}`).join(", ");
  return s("svg", {class: "chart", width: W, height: Math.max(H, (labels.at(-1)?.[1] || 0) + 10), role: "img", "aria-label": said},
    [low, high].map(value => [s("path", {class: "g", d: `M0 ${y(value)}H${W - R}`}), s("text", {class: "lab", x: 0, y: y(value) - 4}, String(value))]),
    names.map((name, at) => [s("path", {class: at ? "b" : "a", d: `M${line(name)}`}), maps.length === 1 ? s("circle", {class: "dot-c", cx: x(0), cy: y(maps[0][name]), r: 3}) : null]),
    labels.map(([name, at]) => s("text", {class: name === names[0] ? "acc" : "", x: W - R + 8, y: at + 4}, shown(name).slice(0, 15))));
}

export class PatternPage {
  #around = "";
  #abort = new AbortController();

  /** *act* has open(name), gone(pattern, line), edited(former, pattern). */
  constructor(node, act) {
    this.node = node;
    this.act = act;
  }

  close() {
    this.#abort.abort();
  }

  async show(name, around = "") {
    this.close();
    this.#abort = new AbortController();
    this.session = state.session.session_id;
    try {
      this.pattern = await get(ofSession(this.session, `/patterns/${encodeURIComponent(name)}`), {}, {signal: this.#abort.signal});
      this.#around = around || this.pattern.pattern_data[0]?.[0] || "";
      this.#draw();
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(this.node, h("h2.title", {}, "Pattern"), error.status === 404 ? h("p.q", {}, "No pattern has this name. It may have been deleted.") : alertBox(error, () => this.show(name)));
    }
  }

  #draw() {
    const {name, pattern_data: events, frequency, length, emotives, metadata} = this.pattern;
    this.surroundings = h("section", {});
    this.near = h("section.near", {}, h("h2", {}, "Similar patterns"), h("p.sm.q", {}, "Asking…"));
    fill(this.node,
      h(".hd", {}, h("h2.title", {}, "Pattern"), h("button.link.mono", {type: "button", title: `Copy ${name}`, onclick: () => copy(name)}, short(name)),
        h(".r", {}, h("button.btn", {type: "button", id: "edit", onclick: () => this.#edit()}, "Edit"), h("button.btn", {type: "button", id: "delete", onclick: () => this.#delete()}, "Delete…"))),
      h(".seqline", {}, events.slice(0, MOST_DRAWN).map(event => h(".ev", {}, event.slice(0, 20).map(symbol => h("button", {type: "button", "data-symbol": symbol, "aria-pressed": String(symbol === this.#around), title: `Show what surrounds ${symbol}`, onclick: () => this.#look(symbol)}, shown(symbol))))),
        events.length > MOST_DRAWN ? h("span.more", {}, `+${events.length - MOST_DRAWN} events`) : null),
      h(".facts.num", {}, [[`${frequency}×`, "learned"], [events.length, events.length === 1 ? "event" : "events"], [length, length === 1 ? "symbol" : "symbols"]].map(([value, what]) => h("div", {}, h("b", {}, value), h("span.sm.q", {}, what)))),
      emotives.length ? h("section", {}, h("h2", {}, `Emotives over the last ${plural(emotives.length, "learn")}`), chart(emotives)) : null,
      Object.keys(metadata || {}).length ? h("section", {}, h("h2", {}, "Metadata"), h("table.kv", {}, h("tbody", {}, Object.entries(metadata).slice(0, 40).map(([key, values]) => h("tr", {}, h("td", {}, key), h("td", {}, values.slice(-5).map(value => (typeof value === "string" ? value : JSON.stringify(value))).join(", "))))))) : null,
      this.surroundings, this.near);
    this.#look(this.#around, false);
    this.#findNear();
  }

  /** Show what surrounds *symbol*; *isAsked*: somebody chose it, so it is worth telling. */
  async #look(symbol, isAsked = true) {
    this.#around = symbol;
    for (const button of this.node.querySelectorAll(".seqline button")) button.setAttribute("aria-pressed", String(button.dataset.symbol === symbol));
    const head = h("h2", {}, `Around ${shown(symbol)}`), signal = this.#abort.signal;
    if (!this.surroundings.childElementCount) fill(this.surroundings, h(".hd", {}, head), h("p.sm.q", {}, "Looking…"));
    try {
      const found = await transitions(this.session, symbol, signal);
      if (signal.aborted || symbol !== this.#around) return;
      const share = `in ${found.isWhole ? "" : "the first "}${plural(found.holding, "pattern")}`;
      fill(this.surroundings, h(".hd", {}, head, h("span.sm.q", {}, `thickness: how often, ${share}`)), graph(symbol, found, other => this.#look(other)));
      if (isAsked) say(`Transitions around ${symbol}`);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.surroundings, h(".hd", {}, head), alertBox(error, () => this.#look(symbol)));
    }
  }

  async #findNear() {
    const {signal} = this.#abort, question = {events: this.pattern.pattern_data, recall_threshold: LEAST_SIMILARITY, limit: NEIGHBOURS, fields: "pattern_name,similarity,sequence,frequency", config: {rank_sort_algo: "similarity"}};
    if (state.user !== null) question.user_id = state.user;
    const list = h("ul", {});
    try {
      if (question.events.length > MOST_EVENTS) return;
      const {predictions} = await call("POST", "v2/predict", {body: question, signal});
      const others = predictions.filter(one => one.pattern_name !== this.pattern.name).slice(0, NEIGHBOURS - 1);
      fill(list, others.map((one, at) => h("li", {}, h("button", {type: "button", id: `near-${at}`, onclick: () => this.act.open(one.pattern_name)}, sequence(one.sequence), bar(one.similarity), h("span.sm.q.num.rt", {title: "similarity"}, one.similarity.toFixed(2))))));
      fill(this.near, h(".hd", {}, h("h2", {}, "Similar patterns"), h("span.sm.q", {}, "similarity")), others.length ? list : h("p.sm.q", {}, "No other pattern shares enough symbols."));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.near, h("h2", {}, "Similar patterns"), h("p.sm.q", {}, error.message));
    }
  }

  #edit() {
    const frequency = h("input", {type: "number", min: 0, step: 1, required: true, value: this.pattern.frequency});
    const emotives = h("textarea", {rows: 6, spellcheck: "false", value: JSON.stringify(this.pattern.emotives, null, 1)}), note = h("p.sm.bad-t", {role: "alert"});
    ask("Edit pattern", [h("label.field", {}, h("span", {}, "Frequency: how often it counts as learned"), frequency), h("label.field", {}, h("span", {}, "Emotives, a list of maps, the oldest learn first"), emotives), note], [["Save", async () => {
      let former;
      try {
        const body = {frequency: Number(frequency.value), emotives: JSON.parse(emotives.value)};
        former = await get(this.#path);
        this.pattern = await call("PUT", this.#path, {body});
      } catch (error) {
        note.textContent = error instanceof SyntaxError ? "The emotives are not JSON." : error.message;
        return false;
      }
      this.#draw();
      this.act.edited(former, this.pattern);
      return true;
    }, true]]);
  }

  #delete() {
    const note = h("p.sm.bad-t", {role: "alert"});
    ask("Delete this pattern?", [h("p", {}, sequence(this.pattern.pattern_data)), h("p.sm.q", {}, `It was learned ${this.pattern.frequency}×. No session of this user will predict it any more. You can undo this until you close the page.`), note], [["Delete", async () => {
      try {
        const {undo} = await call("DELETE", this.#path);
        fill(this.node, h("h2.title", {}, "Pattern"), h("p.q", {}, "It was deleted."));
        this.act.gone(this.pattern, undo);
      } catch (error) {
        note.textContent = error.message;
        return false;
      }
      return true;
    }]]);
  }

  get #path() {
    return ofSession(this.session, `/patterns/${encodeURIComponent(this.pattern.name)}`);
  }
}
