// Parts that several views show.

import {ApiError} from "./api.js";
import {$, h, s, say} from "./dom.js";

export const short = name => `${name.slice(0, 11)}…`;

/** How much of *most* a value is. */
export const bar = (value, most = 1) => h("span.bar", {}, h("i", {w: `${Math.max(0, Math.min(1, value / most)) * 100}%`}));

/** An event: its symbols in a card; *mark* says of each whether it matched ("hit") or is missing ("gap"). */
export function eventCard(event, mark = () => "") {
  const titles = {hit: "matched", gap: "missing: expected, not observed"};
  return h(".ev", {}, event.map((symbol, place) => {
    const kind = mark(symbol, place);
    return h(kind ? `span.${kind}` : "span", {title: titles[kind] || (symbol.length > 24 ? symbol : null)}, shown(symbol));
  }));
}

/** A symbol at a length that fits; vectors have names of 40 digits. */
export function shown(symbol) {
  if (/^VCTR\|[0-9a-f]{40}$/.test(symbol)) return `vector ${symbol.slice(5, 11)}`;
  return symbol.length > 32 ? `${symbol.slice(0, 31)}…` : symbol === "" ? "“”" : symbol;
}

/** Events in a line of text; symbols with a word of *sought* are marked. */
export function sequence(events, sought = "") {
  const line = h("span.seq"), words = sought.toLowerCase().split(/\s+/).filter(Boolean);
  events.slice(0, 24).forEach((event, place) => {
    if (place) line.append(h("i", {}, "›"));
    event.slice(0, 12).forEach((symbol, next) => {
      const hit = words.some(word => symbol.toLowerCase().includes(word));
      line.append(next ? " + " : "", hit ? h("mark", {}, shown(symbol)) : shown(symbol));
    });
    if (event.length > 12) line.append(` + ${event.length - 12} more`);
  });
  if (events.length > 24) line.append(h("i", {}, "›"), `${events.length - 24} more`);
  return line;
}

export function spark(values, width, height) {
  if (values.length < 2) return null;
  const most = Math.max(...values) * 1.08 || 1;
  const point = (value, at) => `${(at / (values.length - 1) * width).toFixed(1)} ${(height - 1 - value / most * (height - 2)).toFixed(1)}`;
  return s("svg", {class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, preserveAspectRatio: "none", "aria-hidden": "true"},
    s("path", {"vector-effect": "non-scaling-stroke", d: `M${values.map(point).join("L")}`}));
}

/** The picture of empty lanes. */
export const lanesArt = () => s("svg", {width: 216, height: 64, viewBox: "0 0 216 64", "aria-hidden": "true"},
  [[8, false], [56, true], [104, true], [152, false]].map(([x, hit], at) =>
    s("rect", {class: hit ? "box hit" : "box gap", x, y: at % 2 ? 10 : 18, width: 40, height: at % 2 ? 44 : 28, rx: 6})));

export const empty = (title, text, ...more) => h(".empty", {}, lanesArt(), h("h2", {}, title), h("p", {}, text), ...more);

/** What went wrong, and what to do now. */
export function alertBox(error, again) {
  const [title, steps] = advice(error);
  return h("section.alert", {role: "alert"}, h("h2", {}, title), h("p", {}, error.message),
    steps.length ? h("ol", {}, steps.map(step => h("li", {}, h("span", {}, step)))) : null,
    h(".acts", {}, again ? h("button.btn.first", {type: "button", onclick: again}, "Ask again") : null,
      h("a.sm", {href: "#instance"}, "Open Instance"), h("code.q", {}, error.code || ""),
      error.requestId ? h("span.sm.q", {}, `request ${error.requestId}`) : null));
}

const ADVICE = {
  STORE_UNAVAILABLE: ["A store does not answer", ["Nothing is lost, and asking again is safe: every change carries its own unique_id.", "The view Instance shows which store it is, and what to do about it."]],
  OVERLOADED: ["The instance is busy", ["Nothing was started. Ask again in a few seconds."]],
  RATE_LIMITED: ["Too many requests", ["This key or address has a rate limit. Ask again in a few seconds."]],
  FORBIDDEN: ["Not with this key", ["Sign out, and use a key with the scope or for the user that the message names."]],
  MATCHING_BUDGET_EXCEEDED: ["This prediction takes too long", ["Raise recall_threshold, or predict from fewer symbols."]],
  SESSION_LIMIT_EXCEEDED: ["There are too many sessions", ["Delete a session, or wait until one expires."]],
  NO_ANSWER: ["The instance does not answer", ["Check the network, or whether the service runs.", "The page connects again by itself."]],
};
const advice = error => ADVICE[error.code] || ["That did not work", []];

/** Copy *text*; a page without HTTPS has no clipboard, so it is selected in a dialog instead. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
  } catch {
    const area = h("textarea", {rows: 12, readonly: true, "aria-label": "JSON", value: text});
    ask("Copy", [area], []);
    area.select();
  }
}

/** A dialog; *buttons* are [text, act, isFirst]. An act that returns false keeps it open. */
export function ask(title, content, buttons) {
  const dialog = $("#dialog"), before = document.activeElement, note = h("p.sm.bad-t", {role: "alert"});
  const close = () => dialog.close();
  let isBusy = false;
  const press = act => async event => {
    event.preventDefault();
    if (isBusy) return; // pressed twice
    isBusy = true;
    note.textContent = "";
    try {
      if (await act() !== false && form.isConnected) close();
    } catch (error) {
      note.textContent = error.message;
      if (!(error instanceof ApiError)) throw error;
    } finally {
      isBusy = false;
    }
  };
  const first = buttons.find(([, , isFirst]) => isFirst);
  const form = h("form", {onsubmit: first ? press(first[1]) : event => event.preventDefault()}, h("h2.title", {id: "dialog-title"}, title), ...content, note,
    h(".acts", {}, h("button.btn", {type: "button", onclick: close}, buttons.length ? "Cancel" : "Close"),
      buttons.map(([text, act, isFirst]) => h(`button.btn${isFirst ? ".first" : ".risk"}`, isFirst ? {type: "submit"} : {type: "button", onclick: press(act)}, text))));
  dialog.replaceChildren(form);
  dialog.onclose = () => {
    if (dialog.open) return; // another one has begun
    dialog.replaceChildren();
    if (before?.isConnected) before.focus();
  };
  dialog.showModal();
  dialog.querySelector("input, textarea, select")?.focus();
}
