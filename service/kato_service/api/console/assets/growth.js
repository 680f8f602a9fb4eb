// Growth: how many of the patterns that are there now were first learned when, and how much changed.
// The service counts. Further back than its log has entries it knows no times, and the picture says so.

import {get, ofOwner} from "./api.js";
import {fill, h, plural, s, thousands} from "./dom.js";
import {state} from "./state.js";

const LINE = 48, GAP = 8, BARS = 32, HEIGHT = LINE + GAP + BARS;
const UNITS = [[86_400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
const STEPS = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity};

const when = time => new Date(time).toLocaleString("en-GB", {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit"}).replace(",", "");

function long(seconds) {
  const [size, unit] = UNITS.find(([one]) => seconds >= one && seconds % one === 0);
  return plural(seconds / size, unit);
}

/** The intervals, each with its end and how many patterns there are by then. */
function summed({intervals, earlier, as_of: now}) {
  let patterns = earlier;
  return intervals.map((one, at) => ({...one, ended: intervals[at + 1]?.began_at ?? now, patterns: patterns += one.first_learned}));
}

export class Growth {
  #at = -1;

  constructor(node) {
    this.node = node;
    this.node.hidden = true;
  }

  async show() {
    const path = `${ofOwner(state.user)}/growth`;
    try {
      this.found = await get(path);
    } catch (error) {
      if (error.name === "AbortError" || error.status === 401) return;
      this.node.hidden = false;
      fill(this.node, h("summary", {}, h("h2", {}, "Growth")), h("p.sm.q", {}, error.message));
      return;
    }
    this.rows = summed(this.found);
    this.node.hidden = !this.rows.length;
    if (this.rows.length) this.#draw();
  }

  #draw() {
    const {patterns, earlier, oldest, interval_seconds: seconds} = this.found;
    this.#at = -1;
    this.pick = s("rect", {class: "pick", width: 1, height: HEIGHT, visibility: "hidden"});
    this.slider = h(".plot", {id: "growth-plot", tabindex: 0, role: "slider", "aria-label": `Growth, by intervals of ${long(seconds)}`, "aria-valuemin": 1, "aria-valuemax": this.rows.length,
      onkeydown: event => this.#key(event), onfocus: () => this.#choose(this.#at < 0 ? this.rows.length - 1 : this.#at), onblur: () => this.#choose(-1),
      onpointermove: event => this.#choose(Math.floor((event.clientX - this.slider.getBoundingClientRect().left) / this.slider.clientWidth * this.rows.length)),
      onpointerleave: () => this.#choose(document.activeElement === this.slider ? this.#at : -1)}, this.#picture());
    this.said = h("p.sm.q.num", {});
    const before = earlier ? `; ${thousands(earlier)} before ${when(oldest)}, where the log begins` : "";
    fill(this.node,
      h("summary", {id: "growth-head"}, h("h2", {}, "Growth"), h("span.sm.q", {}, `${plural(patterns, "pattern")} that ${patterns === 1 ? "is" : "are"} here now, by when first learned${before}`)),
      h(".growth-b", {}, this.slider, h(".scale.num.sm.q", {"aria-hidden": "true"}, h("span", {}, thousands(patterns)), patterns === earlier ? null : h("span", {}, thousands(earlier)))), this.said);
    this.#choose(-1);
  }

  #picture() {
    const {rows} = this, {earlier, patterns} = this.found, most = Math.max(1, ...rows.map(one => one.changes));
    const y = count => 2 + (patterns - count) / Math.max(1, patterns - earlier) * (LINE - 4);
    const bar = (name, count, at) => (count ? s("rect", {class: name, x: at + 0.12, width: 0.76, y: HEIGHT - Math.max(2, count / most * BARS), height: Math.max(2, count / most * BARS)}) : null);
    return s("svg", {viewBox: `0 0 ${rows.length} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true"}, this.pick,
      s("path", {class: "g", d: `M0 ${HEIGHT}H${rows.length}`}), rows.map((one, at) => [bar("other", one.changes, at), bar("new", one.first_learned, at)]),
      s("path", {class: "a", d: `M0 ${y(earlier)}${rows.map((one, at) => `L${at + 1} ${y(one.patterns).toFixed(2)}`).join("")}`}));
  }

  /** Tell about the interval at *at*; about all of them if it is none. */
  #choose(at) {
    this.#at = Math.min(at, this.rows.length - 1);
    const one = this.rows[this.#at], tell = ({began_at: began, ended, first_learned: first, changes, patterns}) => `${when(began)} to ${when(ended)}: ${thousands(first)} first learned, ${plural(changes, "change")}; ${plural(patterns, "pattern")} by then`;
    this.pick.setAttribute("visibility", one ? "visible" : "hidden");
    this.pick.setAttribute("x", Math.max(0, this.#at));
    this.slider.setAttribute("aria-valuenow", (one ? this.#at : this.rows.length - 1) + 1);
    this.slider.setAttribute("aria-valuetext", tell(one ?? this.rows.at(-1)));
    fill(this.said, one ? tell(one) : [`${when(this.rows[0].began_at)} to now, `, h("span", {}, `a bar for each ${long(this.found.interval_seconds).replace(/^1 /, "")}`), `: `, h("i.key.new", {}), " first learned, ", h("i.key.other", {}), " other changes"]);
  }

  #key(event) {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    this.#choose(Math.max(0, Math.min(this.rows.length - 1, this.#at + step)));
  }
}
