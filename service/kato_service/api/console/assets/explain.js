// The drawer that shows how a prediction came about: where both sides align, how its potential adds up,
// and what was left out. Every number is the service's (explain=true).

import {$, h, plural, s, say, thousands} from "./dom.js";
import {copy, short, shown} from "./pieces.js";

const ROW = 25, TOP = 22, LEFT = 70, WIDTH = 112, RIGHT = 264, MOST_ROWS = 200;
const y = at => TOP + at * ROW;
const f3 = number => number.toFixed(3);

/** Of each event, how many symbols come before it. */
function starts(events) {
  let all = 0;
  return events.map(event => (all += event.length) - event.length);
}

/** The blocks as [place in the pattern, place in the short-term memory, size], counted in symbols. */
function flat(blocks, pattern, stm) {
  const inPattern = starts(pattern), inStm = starts(stm);
  return blocks.map(({pattern: a, stm: b, size}) => [(inPattern[a.event] ?? 0) + a.symbol, (inStm[b.event] ?? 0) + b.symbol, size]);
}

function ribbons(blocks) {
  const a = LEFT + WIDTH, b = RIGHT, middle = (a + b) / 2;
  return blocks.map(([i, j, size]) => {
    const top = y(i) + 2, bottom = y(i + size) - 3, top2 = y(j) + 2, bottom2 = y(j + size) - 3;
    const wires = Array.from({length: size}, (_, at) => {
      const from = y(i + at) + 11, to = y(j + at) + 11;
      return s("path", {class: "wire", d: `M${a} ${from}C${middle} ${from} ${middle} ${to} ${b} ${to}`});
    });
    return [s("path", {class: "band", d: `M${a} ${top}C${middle} ${top} ${middle} ${top2} ${b} ${top2}V${bottom2}C${middle} ${bottom2} ${middle} ${bottom} ${a} ${bottom}Z`}), wires];
  });
}

/** One side: a box per symbol, and a bracket around the symbols of an event. */
function column(events, x, kindOf, bracket) {
  let at = 0;
  return events.map((event, place) => {
    const first = at;
    at += event.length;
    return [
      event.length > 1 ? s("path", {class: "brk", d: bracket(y(first), y(first + event.length))}) : null,
      event.map((symbol, next) => {
        const kind = kindOf(first + next, symbol, place), text = shown(symbol);
        return [s("rect", {class: `box ${kind}`, x, y: y(first + next), width: WIDTH, height: ROW - 4, rx: 5}),
          s("text", {class: kind === "hit" ? "hit-t" : kind === "extra" ? "struck" : "", x: x + 9, y: y(first + next) + 15}, text.length > 14 ? `${text.slice(0, 13)}…` : text)];
      }),
    ];
  });
}

function zones(prediction) {
  const {past, present, future} = prediction, found = [];
  let at = 0;
  for (const [name, events] of [["past", past], ["present", present], ["future", future]]) {
    if (events.length) found.push(s("text", {class: name === "present" ? "lab acc" : "lab", x: 0, y: y(at) + 15}, name));
    at += events.flat().length;
  }
  return found;
}

/** The picture of the alignment. */
function alignment(prediction, stm) {
  const pattern = prediction.sequence, blocks = flat(prediction.explanation.blocks, pattern, stm);
  const covered = index => new Set(blocks.flatMap(block => Array.from({length: block[2]}, (_, at) => block[index] + at)));
  const inPattern = covered(0), inStm = covered(1), missing = new Set(prediction.missing.flat());
  const from = prediction.past.length, to = from + prediction.present.length;
  const rows = Math.max(pattern.flat().length, stm.flat().length);
  if (rows > MOST_ROWS) return h("p.sm.q", {}, `Too long to draw: ${plural(rows, "symbol")}.`);
  const label = `${plural(inPattern.size, "symbol")} of the pattern matched in ${plural(blocks.length, "block")}. Missing: ${prediction.missing.flat().join(", ") || "none"}. Unexplained: ${prediction.extras.flat().join(", ") || "none"}.`;
  return s("svg", {width: 384, height: y(rows) + 4, role: "img", "aria-label": label},
    s("text", {class: "lab", x: LEFT, y: 10}, "pattern"), s("text", {class: "lab", x: RIGHT, y: 10}, "short-term memory"),
    ribbons(blocks), zones(prediction),
    column(pattern, LEFT, (at, symbol, event) => (inPattern.has(at) ? "hit" : event >= from && event < to && missing.has(symbol) ? "gap" : ""), (a, b) => `M${LEFT - 5} ${a + 3}h-4V${b - 6}h4`),
    column(stm, RIGHT, at => (inStm.has(at) ? "hit" : "extra"), (a, b) => `M${RIGHT + WIDTH + 1} ${a + 3}h4V${b - 6}h-4`));
}

/** How the potential adds up, with the service's factors and terms. */
function sum({explanation, matches, sequence, present, frequency}, place) {
  const {factors, terms, blocks, potential} = explanation;
  const row = (name, why, value) => h("tr", {}, h("td", {}, name), h("td.w.num", {}, why), h("td", {}, value));
  const shares = [terms.match, terms.itfdf_similarity, terms.fragmentation];
  return [
    h(".stack", {"aria-hidden": "true"}, shares.map(value => h("i", {w: `${Math.max(0, value) / Math.max(potential, 0.01) * 100}%`}))),
    h("table.terms", {}, h("tbody", {},
      row("evidence", `${matches.length} matched / ${sequence.flat().length} in the pattern`, f3(factors.evidence)),
      row("confidence", `${matches.length} matched / ${present.flat().length} in the present`, f3(factors.confidence)),
      row("snr", "signal against unexplained symbols", f3(factors.snr)),
      row("match", "(evidence + confidence) · snr", f3(terms.match)),
      row("itfdf_similarity", `weighted by frequency, learned ${frequency}×`, `+ ${f3(terms.itfdf_similarity)}`),
      row("fragmentation", `1 / ${plural(blocks.length, "block")}`, `+ ${f3(terms.fragmentation)}`),
      h("tr.sum", {}, h("td", {}, "potential"), h("td.w", {}, place), h("td", {}, f3(potential))))),
  ];
}

const LEFT_OUT = {
  no_shared_symbol: "without a symbol in common", below_threshold: "less similar than recall_threshold",
  not_in_first_event: "with the observed symbol, but not in the first event", before_offset: "before this part", beyond_limit: "beyond max_predictions",
};

/** Why there are not more predictions. */
export function leftOut(explanation) {
  if (!explanation) return null;
  const nearest = explanation.nearest_below_threshold;
  const rows = Object.entries(explanation.left_out).filter(([, count]) => count).map(([code, count]) => h("li", {}, h("b.num", {}, thousands(count)), ` ${LEFT_OUT[code] || code}`));
  return [h("h3", {}, `Left out of ${plural(explanation.patterns, "pattern")}`), rows.length ? h("ul.out", {}, rows) : h("p.sm.q", {}, "none"),
    nearest ? h("p.sm.q", {}, `The nearest below the threshold, ${short(nearest.pattern_name)}, has similarity ${f3(nearest.similarity)}.`) : null];
}

/** Show why; *close* gives the focus back, *openPattern* goes to the pattern's page. */
export function explain(drawer, {prediction, stm, place, answer, close, openPattern}) {
  const blocks = prediction.explanation.blocks.length;
  drawer.hidden = false;
  drawer.replaceChildren(
    h(".drawer-h", {}, h("div", {}, h("h2.title", {}, "Why this prediction"), h("code.q", {title: prediction.pattern_name}, short(prediction.pattern_name))),
      h("button.icon", {type: "button", id: "d-close", "aria-label": "Close", title: "Close (Esc)", onclick: close}, "×")),
    h("h3", {}, blocks ? `Aligned in ${plural(blocks, "block")}` : "Nothing aligned"), h(".wide-picture", {tabindex: 0, role: "region", "aria-label": "Alignment"}, alignment(prediction, stm)),
    h("h3", {}, "How potential adds up"), ...sum(prediction, place), ...[leftOut(answer.explanation)].flat().filter(Boolean),
    h(".hd", {}, h(".r", {}, h("button.btn", {type: "button", onclick: () => copy(JSON.stringify(prediction, null, 2))}, "Copy as JSON"),
      openPattern ? h("button.btn", {type: "button", onclick: openPattern}, "Open pattern") : null)));
  say(`Explanation of ${place}`);
}

export function hide() {
  const drawer = $("#drawer");
  drawer.hidden = true;
  drawer.replaceChildren();
}
