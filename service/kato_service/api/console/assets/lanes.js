// A prediction laid out along past | present | future; matches, missing and extras are marked in place.

import {h} from "./dom.js";
import {bar, eventCard, short, shown} from "./pieces.js";

const PAST_SHOWN = 1, PRESENT_SHOWN = 12, FUTURE_SHOWN = 3;

const more = events => h("span.more", {title: events.map(event => event.join(" + ")).join(" › ").slice(0, 500)}, `+${events.length}`);

/** How a symbol of the present stands to what was observed. */
export function marks(prediction) {
  const missing = new Set(prediction.missing.flat()), matched = new Set(prediction.matches);
  return symbol => (missing.has(symbol) ? "gap" : matched.has(symbol) ? "hit" : "");
}

/** The three lanes of *prediction*. */
export function lanes(prediction) {
  const {past, present, future} = prediction, mark = marks(prediction);
  const first = past.slice(0, -PAST_SHOWN), later = future.slice(FUTURE_SHOWN);
  const middle = present.length > PRESENT_SHOWN ? present.slice(PRESENT_SHOWN / 2, -PRESENT_SHOWN / 2) : [];
  const half = middle.length ? PRESENT_SHOWN / 2 : present.length;
  return h(".lanes", {},
    h(".lane.past", {role: "group", "aria-label": "Past"}, first.length ? more(first) : null, past.slice(-PAST_SHOWN).map(event => eventCard(event))),
    h(".lane.present", {role: "group", "aria-label": "Present"}, present.slice(0, half).map(event => eventCard(event, mark)),
      middle.length ? [more(middle), present.slice(-half).map(event => eventCard(event, mark))] : null),
    h(".lane.future", {role: "group", "aria-label": "Future"}, future.length ? future.slice(0, FUTURE_SHOWN).map(event => eventCard(event)) : h("span.more", {}, "ends here"),
      later.length ? more(later) : null));
}

const metric = (name, value, most) => h("span.metric.num", {}, name, h("b", {}, value.toFixed(2)), bar(value, most));

export const extras = prediction => prediction.extras.flat().length
  ? h("span.x.sm.q", {}, "unexplained ", prediction.extras.flat().slice(0, 6).map((symbol, at) => [at ? ", " : "", h("s", {}, shown(symbol))]))
  : null;

/** A row of the list; *open* is called when its numbers are asked for. */
export function predictionRow(prediction, at, isOn, open) {
  return h(isOn ? "li.pred.on" : "li.pred", {},
    h(".pred-h", {}, h("span.rank.num", {}, at + 1), h("code.q", {title: prediction.pattern_name}, short(prediction.pattern_name)),
      h("span.times.sm.q.num", {}, `learned ${prediction.frequency}×`), extras(prediction),
      h("button.metrics", {type: "button", id: `why-${at}`, title: "Explain (e)", onclick: open}, h("span.sr", {}, `Explain prediction ${at + 1}: `),
        metric("similarity", prediction.similarity), metric("evidence", prediction.evidence), metric("confidence", prediction.confidence), metric("potential", prediction.potential, 4))),
    lanes(prediction));
}

export const axis = () => h(".axis", {"aria-hidden": "true"}, h("span", {}, "past"), h("span.p", {}, "present"), h("span", {}, "future →"));

/** Ranked symbols with the service's weights; *pick*, if any, puts one into the next event. */
export function ranked(symbols, pick, stop) {
  return [
    h("ol", {}, symbols.map(({symbol, weight, patterns}) => h("li", {title: `patterns behind it: ${patterns}`},
      pick ? h("button", {type: "button", title: "Put into the next event", onclick: () => pick(symbol)}, shown(symbol)) : h("span", {}, shown(symbol)), h("span.num.q", {}, weight.toFixed(2)), bar(weight)))),
    stop?.weight ? h("p.sm.q.stop", {}, "It ends here", h("span.num", {}, stop.weight.toFixed(2)), bar(stop.weight)) : null,
  ];
}
