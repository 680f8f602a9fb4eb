// Transitions around a symbol: what came before and after it in the patterns that hold it.

import {h, s} from "./dom.js";
import {shown} from "./pieces.js";
import {eachPage} from "./patterns.js";

const PAGES = 20, SHOWN = 6, WIDTH = 436, BOX = 92, EDGE = 116;

/** Sum how often each symbol came right before and right after *symbol*. */
export async function transitions(session, symbol, signal) {
  const before = new Map(), after = new Map();
  let holding = 0, pages = 0, isWhole = true;
  const put = (sums, event, frequency) => event?.forEach(one => sums.set(one, (sums.get(one) || 0) + frequency));
  await eachPage(session, patterns => {
    for (const {pattern_data: events, frequency} of patterns) {
      events.forEach((event, at) => {
        if (!event.includes(symbol)) return;
        put(before, events[at - 1], frequency);
        put(after, events[at + 1], frequency);
      });
    }
    holding += patterns.length;
    isWhole = ++pages < PAGES;
    return !isWhole;
  }, {signal, symbols: [symbol]});
  const top = sums => [...sums].sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
  return {before: top(before), after: top(after), holding, isWhole};
}

/** The picture; *go* is called with a symbol that was chosen. */
export function graph(symbol, {before, after, holding}, go) {
  if (!before.length && !after.length) return h("p.sm.q", {}, holding ? "Nothing comes right before or after it." : "No pattern holds it.");
  const most = Math.max(1, ...before.concat(after).map(one => one[1])), height = Math.max(2, before.length, after.length) * 32 + 12;
  const middle = height / 2, left = WIDTH / 2 - BOX / 2, right = left + BOX, thick = weight => 1 + weight / most * 11;
  const side = (list, isLeft) => {
    let port = middle - list.reduce((sum, one) => sum + thick(one[1]), 0) / 2;
    return list.map(([other, weight], at) => {
      const y = middle + (at - (list.length - 1) / 2) * 32, from = isLeft ? EDGE : right, to = isLeft ? left : WIDTH - EDGE;
      const bend = (from + to) / 2, own = port + thick(weight) / 2, [start, end] = isLeft ? [y, own] : [own, y];
      port += thick(weight);
      const text = shown(other).slice(0, 12), count = s("tspan", {class: "lab"}, isLeft ? `${weight}×  ` : `  ${weight}×`);
      return s("a", {tabindex: 0, role: "button", "aria-label": isLeft ? `${other}, ${weight} times before ${symbol}` : `${other}, ${weight} times after ${symbol}`,
        onclick: () => go(other), onkeydown: event => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), go(other))},
      s("path", {"stroke-width": thick(weight).toFixed(1), d: `M${from} ${start}C${bend} ${start} ${bend} ${end} ${to} ${end}`}),
      s("text", {x: isLeft ? EDGE - 6 : WIDTH - EDGE + 6, y: y + 4, "text-anchor": isLeft ? "end" : "start"}, isLeft ? [count, text] : [text, count]));
    });
  };
  return s("svg", {class: "graph", width: WIDTH, height, role: "group", "aria-label": `Transitions around ${symbol}`},
    side(before, true), side(after, false), s("rect", {x: left, y: middle - 16, width: BOX, height: 32, rx: 8}),
    s("text", {class: "hit-t", x: WIDTH / 2, y: middle + 4, "text-anchor": "middle"}, shown(symbol).slice(0, 14)));
}
