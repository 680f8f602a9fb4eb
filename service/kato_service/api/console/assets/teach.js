// Teach: a first conversation in five steps, on sample data, with the requests that the page sends.

import {ApiError, call, change, get, ofSession, ofUser, uniqueId} from "./api.js";
import {$, fill, h, plural, say} from "./dom.js";
import {explain, hide} from "./explain.js";
import {axis, predictionRow, ranked} from "./lanes.js";
import {alertBox, eventCard, short} from "./pieces.js";

const BREAKFAST = [["coffee"], ["bread", "butter"], ["jam"], ["walk"]];
const OTHERS = [[["coffee"], ["bread", "butter"], ["honey"], ["train"]], [["coffee"], ["bread", "butter"], ["jam"], ["walk"]], [["tea"], ["rice"], ["fish"], ["train"]]];
const AGAIN = [["coffee"], ["bread", "butter"]];
const TITLES = ["Observe", "Learn", "Teach more", "Predict", "Ask why"];

/** The view was left while it was sending requests. */
class Left extends Error {}

export class Teach {
  #step = 0;
  #stm = [];
  #session = null;
  #learned = new Set();
  #sent = [];
  #answer = null;
  #next = null;
  #name = "";
  #user = "";
  #busy = false;
  #cursor = 0;
  #isClosed = false;
  #acting = Promise.resolve();

  constructor(shell) {
    this.shell = shell;
  }

  async open(root) {
    this.side = h("nav.side", {"aria-label": "Steps"});
    this.desk = h(".desk", {});
    this.trace = h("aside.next", {"aria-labelledby": "t-h"});
    this.root = h(".talk", {}, this.side, this.desk, this.trace);
    fill(root, this.root);
    this.#draw();
    $("#go")?.focus({preventScroll: true});
    addEventListener("pagehide", this.#leave);
  }

  /** The tab is closed or reloaded: what is sent now still arrives. */
  #leave = () => {
    if (this.#session) call("DELETE", this.#user ? ofUser(this.#user) : ofSession(this.#session), {keepalive: true}).catch(() => {});
  };

  close() {
    hide();
    this.#isClosed = true;
    // The request under way may begin the session, or teach it something.
    Promise.allSettled([this.#acting]).then(() => this.#session && this.#forget()).catch(() => {})
      .finally(() => removeEventListener("pagehide", this.#leave));
  }

  key(event) {
    if (event.key !== "Escape" || $("#drawer").hidden) return false;
    this.#hide();
    return true;
  }

  focus() {
    $("#go")?.focus();
  }

  // ---- requests, each of which is shown --------------------------------------------------------

  async #send(method, rest, body, query) {
    if (this.#isClosed) throw new Left();
    const path = this.#session && rest.startsWith("/") ? ofSession(this.#session, rest) : rest;
    const shown = `/${path.replace(this.#session || "\u0000", "…")}${query ? `?${new URLSearchParams(query)}` : ""}`;
    const answer = method === "GET" ? await get(path, query) : body && rest.startsWith("/") ? await change(path, body) : await call(method, path, {body});
    this.#sent.unshift({method, shown, body, answer});
    return answer;
  }

  /** A session of a user made for this tour; a key of one user can only teach that user. */
  async #begin() {
    try {
      const user = `tour-${uniqueId().slice(0, 8)}`;
      this.#session = (await this.#send("POST", "v2/sessions", {user_id: user})).session_id;
      this.#user = user;
    } catch (error) {
      if (error.status !== 403) throw error;
      this.#user = "";
      this.#session = (await this.#send("POST", "v2/sessions", {})).session_id;
    }
  }

  async #observe(event) {
    if (!this.#session) await this.#begin();
    await this.#send("POST", "/observe", {strings: event});
    this.#stm = (await get(ofSession(this.#session, "/stm"))).stm;
  }

  async #predict() {
    this.#answer = await this.#send("GET", "/predictions", null, {explain: "true"});
    this.#next = await this.#send("GET", "/predictions", null, {view: "next"});
  }

  async #act() {
    if (this.#step === 0) {
      await this.#observe(BREAKFAST[this.#stm.length]);
      if (this.#stm.length === BREAKFAST.length) this.#step = 1;
    } else if (this.#step === 1) {
      const done = await this.#send("POST", "/learn", {});
      this.#name = done.pattern_name;
      this.#learned.add(done.pattern_name);
      this.#stm = [];
      this.#step = 2;
    } else if (this.#step === 2) {
      for (const events of OTHERS) {
        const done = await this.#send("POST", "/observe-sequence", {observations: events.map(strings => ({strings})), learn_at_end: true});
        this.#learned.add(done.final_learned_pattern);
      }
      this.#step = 3;
    } else if (this.#step === 3) {
      await this.#observe(AGAIN[this.#stm.length]);
      if (this.#stm.length === AGAIN.length) {
        await this.#predict();
        this.#step = 4;
      }
    } else this.#why(0);
  }

  /** Leave nothing behind. */
  async #forget() {
    const session = this.#session;
    this.#session = null;
    if (this.#user) return call("DELETE", ofUser(this.#user));
    for (const name of this.#learned) await call("DELETE", ofSession(session, `/patterns/${encodeURIComponent(name)}`));
    return call("DELETE", ofSession(session));
  }

  #press() {
    if (!this.#busy) this.#acting = this.#perform();
  }

  async #perform() {
    this.#busy = true;
    try {
      await this.#act();
      if (this.#isClosed) return;
      this.#draw();
      if ($("#drawer").hidden) $("#go")?.focus({preventScroll: true});
    } catch (error) {
      if (this.#isClosed) return;
      if (!(error instanceof ApiError)) throw error;
      if (error.status !== 401) fill(this.problem, alertBox(error, () => this.#press()));
    } finally {
      this.#busy = false;
    }
  }

  async #end() {
    if (this.#session) await this.#forget();
    [this.#step, this.#stm, this.#answer, this.#next, this.#sent, this.#name] = [0, [], null, null, [], ""];
    this.#learned.clear();
    this.#hide();
    this.#draw();
    say("Forgotten");
  }

  #why(at) {
    const prediction = this.#answer?.predictions[at];
    if (!prediction) return;
    this.#cursor = at;
    this.root.classList.add("wide");
    explain($("#drawer"), {prediction, stm: this.#stm, answer: this.#answer, place: `rank ${at + 1} of ${this.#answer.total}`, close: () => this.#hide(), openPattern: null});
    $("#d-close")?.focus();
  }

  #hide() {
    hide();
    this.root.classList.remove("wide");
    $(`#why-${this.#cursor}`)?.focus();
  }

  // ---- drawing ---------------------------------------------------------------------------------

  #draw() {
    fill(this.side, h("div", {}, h("h2", {}, "First conversation"), h("ol.steps", {}, TITLES.map((title, at) => h(at < this.#step ? "li.done" : "li", {"aria-current": at === this.#step ? "step" : null}, h("span.num", {}, at + 1), title)))));
    this.problem = h("div", {});
    fill(this.desk, h("h1", {}, `${this.#step + 1}. ${TITLES[this.#step]}`), ...this.#text().map(text => h("p.lead", {}, text)), h(".acts", {}, this.#buttons()), this.problem, this.#memory(), this.#found());
    fill(this.trace, h("h2", {id: "t-h"}, "What the page sends"), h("p.sm.q", {}, "Any program can do the same: ", h("a", {href: "docs"}, "the HTTP API"), "."), h("ol.trace", {tabindex: 0, "aria-label": "Requests, the newest first"}, this.#sent.slice(0, 8).map(one => h("li", {}, h("code", {}, `${one.method} ${one.shown}`), one.body && Object.keys(one.body).length ? h("pre", {}, JSON.stringify(one.body)) : null))));
  }

  #text() {
    const {events, symbols, stop} = this.#next || {}, first = symbols?.[0];
    return [
      ["An event is what happens together: one symbol, or several. A session keeps its events in order, in a short-term memory.", "Observe a breakfast, event by event."],
      ["The short-term memory holds the breakfast. Learning makes a pattern of it and empties the memory, ready for the next one."],
      [`Learned as ${short(this.#name)}: the same events always get the same name.`, "Teach three more breakfasts at once: one with honey, the first one again, and a quite different one."],
      ["Now begin as before, and stop in the middle.", "Two events are enough to see what may come."],
      [first ? `Two of three breakfasts that begin like this went on with jam: “${first.symbol}” weighs ${first.weight.toFixed(2)}${events?.[1] ? `, “${events[1].event.join(" + ")}” ${events[1].weight.toFixed(2)}` : ""}${stop?.weight ? `, and ${stop.weight.toFixed(2)} that it ends here` : ""}.` : "Nothing is predicted.", "Each prediction can be traced: see where it aligns, and how its potential adds up."],
    ][this.#step];
  }

  #buttons() {
    const event = (this.#step === 0 ? BREAKFAST : AGAIN)[this.#stm.length];
    const text = [`Observe ${event?.join(" + ")}`, "Learn", "Teach three more", `Observe ${event?.join(" + ")}`, "Explain the first"][this.#step];
    return [h("button.btn.first", {type: "button", id: "go", onclick: () => this.#press()}, text),
      this.#step === 4 ? [h("button.btn", {type: "button", id: "forget", onclick: () => this.#end()}, "Forget all this, and start over"), h("a", {href: "#talk"}, "Go to Talk")] : null];
  }

  #memory() {
    return h("section", {"aria-labelledby": "tm-h"}, h(".hd", {}, h("h2", {id: "tm-h"}, "Short-term memory"), h("span.sm.q", {}, this.#stm.length ? plural(this.#stm.length, "event") : "empty")),
      h("ol.stm", {tabindex: 0, "aria-label": "Observed events, oldest first"}, this.#stm.map((event, at) => h("li", {}, h(".card", {}, event.map(symbol => h("div", {}, symbol))), h("span.t.num", {}, at + 1))), h("li.now", {}, h(".card", {}, this.#stm.length ? "next" : "Nothing observed yet"), h("span.t", {}, "now"))),
      this.#step === 2 ? h("ul.samples", {"aria-label": "Breakfasts to teach"}, OTHERS.map(events => h("li", {}, events.map(event => eventCard(event))))) : null);
  }

  #found() {
    if (this.#step < 4 || !this.#answer) return null;
    return h("section", {"aria-labelledby": "tp-h"}, h(".hd", {}, h("h2", {id: "tp-h"}, "What comes next")), h(".next.flat", {}, ranked(this.#next.symbols, null, this.#next.stop)),
      h(".hd", {}, h("h2", {}, "Predictions")), axis(), h("ol", {}, this.#answer.predictions.map((one, at) => predictionRow(one, at, at === this.#cursor, () => this.#why(at)))));
  }
}
