// The frame around the views: which one is shown, theme, keys, users, the key of the API.

import {ApiError, forget, get, keep, key, onRefused} from "./api.js";
import {$, fill, h, s, say} from "./dom.js";
import {alertBox, ask} from "./pieces.js";
import {isKeyless, loadUsers, prefer, preferences, restore, state} from "./state.js";

const NAMES = ["talk", "knowledge", "instance", "teach"];
const KEYS = [
  ["1 2 3 4", "Talk, Knowledge, Instance, Teach"], ["/", "next event or search"], ["Space or ,", "make a chip"], ["Enter", "observe the event"],
  ["Ctrl Enter", "learn"], ["Backspace", "take the last chip back"], ["j k", "next or previous row"], ["e", "explain the prediction"], ["u", "undo a delete or an edit"],
  ["Esc", "close"], ["t", "theme"], ["?", "this list"],
];
const OTHER = "\u0000other", OWN = "\u0000own";
const CONNECTION = {live: "live", connecting: "connecting", ended: "session ended"};

export class Shell {
  #view = null;
  #views;
  #dark = matchMedia("(prefers-color-scheme: dark)");
  #signingIn = false;

  /** *views* holds, by name, what makes a view. */
  constructor(views) {
    this.#views = views;
  }

  async start() {
    $("#loading").textContent = "Waiting for the instance…";
    this.#logo();
    this.#theme();
    $("#theme").onclick = () => this.#flip();
    $("#help-btn").onclick = () => this.#help();
    $("#leave").onclick = () => this.#signOut();
    $("#user").onchange = event => this.#userChosen(event.target.value);
    this.#dark.addEventListener("change", () => this.#theme());
    addEventListener("hashchange", () => this.#route());
    addEventListener("unhandledrejection", event => this.#unhandled(event));
    document.addEventListener("keydown", event => this.#key(event));
    onRefused(() => this.signIn(key() ? "The instance does not know this key any more." : ""));
    await this.#enter();
  }

  // ---- who is here -----------------------------------------------------------------------------

  async #enter() {
    try {
      state.health = await get("v2/health", {}, {quiet: true});
    } catch (error) {
      return fill($("#main"), h(".plain", {}, alertBox(error, () => this.#enter())));
    }
    $("#instance-name").textContent = state.health.processor_id;
    $("#leave").hidden = !key();
    if (!isKeyless() && !key()) return this.signIn("");
    await restore().catch(() => {}); // the view says what is wrong
    this.#route();
    return this.users();
  }

  /** Ask for a key or a token. */
  signIn(problem) {
    if (this.#signingIn) return;
    this.#signingIn = true;
    this.#view?.close();
    this.#view = null;
    state.undo = [];
    forget();
    $("#leave").hidden = true;
    this.connection("");
    const field = h("input", {type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true});
    const note = h("p.sm.bad-t", {role: "alert"}, problem);
    fill($("#main"), h(".plain", {}, h("form.sign", {onsubmit: event => { event.preventDefault(); this.#signedIn(field.value.trim(), note); }},
      h("h1", {}, "Sign in"), h("p.q", {}, state.health?.auth.mode === "token" ? "This instance asks for a token, or for an API key if it has any." : "This instance asks for an API key."),
      h("label.field", {}, h("span", {}, "API key or token"), field), note,
      h("button.btn.first", {type: "submit"}, "Sign in"), h("p.sm.q", {}, "It is kept in this tab only, and forgotten when you close it or sign out."))));
    field.focus();
  }

  async #signedIn(secret, note) {
    if (!/^[\x21-\x7e]+$/.test(secret)) {
      note.textContent = "A key has visible ASCII characters only, without blanks.";
      return;
    }
    keep(secret);
    try {
      await get("v2/sessions/count");
    } catch (error) {
      if (error.status !== 403) {
        forget();
        note.textContent = error.status === 401 ? "The instance does not know this key." : error.message;
        return;
      }
    }
    this.#signingIn = false;
    await this.#enter();
  }

  #signOut() {
    sessionStorage.clear();
    Object.assign(state, {session: null, user: null, users: []});
    this.signIn("");
  }

  /** Fill the choice of users. */
  async users() {
    try {
      await loadUsers();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    this.showUser();
  }

  /** Show who is chosen. */
  showUser() {
    if (state.user !== null && !state.users.includes(state.user)) state.users = [...state.users, state.user].sort();
    const own = isKeyless() ? "no user" : "own";
    const options = [[OWN, own], ...state.users.map(name => [name, name]), [OTHER, "Another…"]];
    fill($("#user"), options.map(([value, text]) => h("option", {value, selected: value === (state.user ?? OWN)}, text.length > 28 ? `${text.slice(0, 27)}…` : text)));
    $("#user").value = state.user ?? OWN;
  }

  #userChosen(value) {
    if (value !== OTHER) return this.#take(value === OWN ? null : value);
    $("#user").value = state.user ?? OWN;
    const name = h("input", {type: "text", maxlength: 256, autocomplete: "off", required: true});
    return ask("Another user", [h("label.field", {}, h("span", {}, "The user’s id"), name), h("p.sm.q", {}, "A user exists once one of its sessions has learned something.")],
      [["Choose", () => name.value.trim() !== "" && this.#take(name.value.trim()), true]]);
  }

  #take(user) {
    state.user = user;
    state.choices += 1;
    state.session = null;
    this.showUser();
    this.#route();
  }

  // ---- views -----------------------------------------------------------------------------------

  go(view, params = {}) {
    const query = new URLSearchParams(params).toString();
    location.hash = query ? `#${view}?${query}` : `#${view}`;
  }

  #route() {
    if (this.#signingIn || !state.health) return;
    const [name, query] = location.hash.slice(1).split("?");
    const view = NAMES.includes(name) ? name : "talk";
    for (const link of $("#nav").children) link.toggleAttribute("aria-current", link.hash === `#${view}`);
    for (const link of $("#nav").querySelectorAll("[aria-current]")) link.setAttribute("aria-current", "page");
    this.#view?.close();
    this.connection("");
    document.title = `${view[0].toUpperCase()}${view.slice(1)} – KATO console`;
    this.#view = this.#views[view](this);
    const opened = this.#view;
    opened.open($("#main"), new URLSearchParams(query)).catch(error => {
      if (opened !== this.#view || error.status === 401) return;
      if (!(error instanceof ApiError)) throw error;
      fill($("#main"), h(".plain", {}, h("h1.sr", {}, document.title), alertBox(error, () => this.#route())));
    });
  }

  #unhandled(event) {
    if (!(event.reason instanceof ApiError)) return;
    event.preventDefault();
    if (event.reason.status !== 401) say(event.reason.message);
  }

  /** Show how the page follows its session. */
  connection(now) {
    fill($("#conn"), now ? [h(now === "live" ? "span.dot" : "span.dot.off", {"aria-hidden": "true"}), CONNECTION[now]] : []);
  }

  // ---- keys and theme --------------------------------------------------------------------------

  #key(event) {
    if ($("#dialog").open) return;
    if (event.key === "Escape" && this.#view?.key(event)) return;
    const isText = /INPUT|SELECT|TEXTAREA/.test(event.target.tagName) && event.target.type !== "range";
    if (event.ctrlKey || event.metaKey || event.altKey || isText || !preferences.letters) return;
    const place = Number(event.key) - 1;
    if (NAMES[place] && !this.#signingIn) this.go(NAMES[place]);
    else if (event.key === "/") {
      event.preventDefault();
      this.#view?.focus();
    } else if (event.key === "t") this.#flip();
    else if (event.key === "?") this.#help();
    else if (this.#view?.key(event)) event.preventDefault();
  }

  #help() {
    const words = keys => keys.split(" ").map(one => [one === "or" ? "or" : h("kbd", {}, one), " "]);
    ask("Keys", [h("dl", {}, KEYS.map(([keys, text]) => [h("dt", {}, words(keys)), h("dd", {}, text)])),
      h("label.sm.check", {}, h("input", {type: "checkbox", checked: preferences.letters, onchange: event => prefer("letters", event.target.checked)}), " single-letter keys")], []);
  }

  #theme() {
    const dark = preferences.theme === "dark" || (preferences.theme === "auto" && this.#dark.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    const button = $("#theme");
    button.setAttribute("aria-label", dark ? "Use light theme" : "Use dark theme");
    fill(button, s("svg", {width: 18, height: 18, viewBox: "0 0 18 18", "aria-hidden": "true"}, dark
      ? [s("circle", {cx: 9, cy: 9, r: 3.4}), s("path", {d: "M9 1.500v2M9 14.500v2M1.500 9h2M14.500 9h2M3.700 3.700l1.400 1.400M12.900 12.900l1.400 1.400M3.700 14.300l1.400-1.400M12.900 5.100l1.400-1.400"})]
      : s("path", {d: "M15 10.800A6.500 6.500 0 0 1 7.200 3a6.500 6.500 0 1 0 7.800 7.800z"})));
  }

  #flip() {
    prefer("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    this.#theme();
  }

  #logo() {
    $("#brand").prepend(s("svg", {width: 22, height: 22, viewBox: "0 0 22 22", "aria-hidden": "true"},
      s("path", {class: "m1", d: "M3 5h5c5 0 3 12 8 12h3"}), s("path", {class: "m2", d: "M3 17h5c1.600 0 2.600-1.200 3.300-2.900M12.300 8.200C13 6.300 14 5 16 5h3"})));
  }
}
