// Two answers side by side: two sessions, or one session at two thresholds.

import {get, ofSession} from "./api.js";
import {fill, h} from "./dom.js";
import {extras, lanes, ranked} from "./lanes.js";
import {alertBox, short} from "./pieces.js";
import {label} from "./state.js";

const ROWS = 20, SYMBOLS = 5;

async function asked({session, threshold}) {
  const query = {recall_threshold: threshold};
  const path = ofSession(session.session_id, "/predictions");
  const [answer, next] = await Promise.all([get(path, {...query, limit: ROWS}), get(path, {...query, view: "next", limit: SYMBOLS})]);
  return {answer, next};
}

export class Compare {
  node = h("section.compare", {"aria-label": "Comparison"});
  #sides;
  #found = [null, null];
  #round = 0;

  /** *sessions* gives those that may be chosen, *pick* puts a symbol into the next event. */
  constructor({session, threshold, sessions, pick}) {
    this.sessions = sessions;
    this.pick = pick;
    this.#sides = [{session, threshold}, {session, threshold: Math.min(1, Math.round((threshold + 0.3) * 100) / 100)}];
    this.bars = this.#sides.map((_, at) => h(".cmp-bar"));
    this.lists = this.#sides.map(() => h(".cmp-list"));
    this.node.append(...this.#sides.map((_, at) => h(".cmp", {role: "group", "aria-label": at ? "Right" : "Left"}, this.bars[at], this.lists[at])));
    this.#sides.forEach((_, at) => this.#drawBar(at));
  }

  /** Ask again, for example after a change. */
  async refresh() {
    const round = ++this.#round;
    try {
      const found = await Promise.all(this.#sides.map(asked));
      if (round !== this.#round) return;
      this.#found = found;
      this.lists.forEach((list, at) => fill(list, this.#list(at)));
    } catch (error) {
      if (round === this.#round) fill(this.lists[0], alertBox(error, () => this.refresh()));
    }
  }

  #drawBar(at) {
    const side = this.#sides[at], known = new Map([side.session, ...this.sessions()].map(one => [one.session_id, one]));
    const number = h("span.num", {}, side.threshold.toFixed(2));
    fill(this.bars[at],
      h("label.gene", {}, h("span", {}, "Session"), h("select", {id: `cmp-s${at}`, onchange: event => { side.session = known.get(event.target.value); this.refresh(); }},
        [...known.values()].map(one => h("option", {value: one.session_id, selected: one === side.session}, label(one))))),
      h("label.gene", {}, h("span", {}, "recall_threshold"), number, h("input", {id: `cmp-t${at}`, type: "range", min: 0, max: 1, step: 0.05, value: side.threshold,
        oninput: event => { side.threshold = Number(event.target.value); number.textContent = side.threshold.toFixed(2); }, onchange: () => this.refresh()})));
  }

  #list(at) {
    const {answer, next} = this.#found[at];
    const other = new Map(this.#found[1 - at].answer.predictions.map((one, place) => [one.pattern_name, place]));
    return [
      h(".next.flat", {}, h("h3", {}, "What comes next"), next.symbols.length || next.stop.weight ? ranked(next.symbols, this.pick, next.stop) : h("p.sm.q", {}, "nothing")),
      h("h3", {}, answer.total === answer.count ? `${answer.count} predictions` : `${answer.count} of ${answer.total} predictions`),
      answer.count ? h("ol", {}, answer.predictions.map((one, place) => this.#row(one, place, other))) : h("p.sm.q", {}, "No pattern reaches the threshold."),
    ];
  }

  #row(prediction, place, other) {
    const there = other.get(prediction.pattern_name);
    const note = there === undefined ? "only here" : there === place ? "same place" : `there ${there + 1}.`;
    return h("li.pred", {}, h(".pred-h", {}, h("span.rank.num", {}, place + 1), h("code.q", {title: prediction.pattern_name}, short(prediction.pattern_name)),
      h(there === undefined ? "span.tag.only" : "span.tag", {}, note), h("span.sm.q.num.rt", {}, `similarity ${prediction.similarity.toFixed(2)}, potential ${prediction.potential.toFixed(2)}`)),
    lanes(prediction), extras(prediction));
  }
}
