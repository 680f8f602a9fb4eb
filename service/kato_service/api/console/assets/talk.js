// Talk: observe, learn, and see what is predicted, live.

import {call, change, get, ofSession} from "./api.js";
import {Compare} from "./compare.js";
import {Composer} from "./composer.js";
import {$, ago, fill, h, plural, say, thousands} from "./dom.js";
import {explain, hide} from "./explain.js";
import {axis, predictionRow, ranked} from "./lanes.js";
import {Live} from "./live.js";
import {alertBox, ask, empty, shown} from "./pieces.js";
import {choose, forgetSession, found, isKeyless, label, newSession, openSessions, state} from "./state.js";

const ROWS = 50, SYMBOLS = 8, LIKELY = 3;
const ASKED = {predictions: {explain: true}, next: {view: "next", limit: SYMBOLS}};

export class Talk {
  #list = {sessions: [], others: 0};
  #stm = null;
  #answer = null;
  #next = null;
  #genes = null;
  #error = null;
  #cursor = 0;
  #rows = ROWS;
  #explained = false;
  #compare = null;
  #version = 0;
  #isClosed = false;
  /** Whether a session was chosen, or is being made: then listing them chooses none. */
  #hasChosen = false;
  /** The last change that was asked for, and how many failed. */
  #turn = Promise.resolve();
  #failures = 0;

  /** *shell* has connection(state), signIn() and go(view, params). */
  constructor(shell) {
    this.shell = shell;
    this.live = new Live({hear: (name, payload) => this.#hear(name, payload), state: now => this.#connection(now), refuse: (name, error) => this.#refused(name, error)});
    this.composer = new Composer({observe: event => this.#observe(event), learn: () => this.#learn()}, () => this.#symbols().slice(0, LIKELY).map(one => one.symbol));
  }

  async open(root) {
    this.side = h("nav.side", {"aria-label": "Sessions"});
    this.memory = h("section", {"aria-labelledby": "s-h"});
    this.list = h("section", {"aria-labelledby": "p-h"});
    this.aside = h("aside.next", {"aria-labelledby": "n-h"});
    this.desk = h(".desk", {}, h("h1.sr", {}, "Talk"), this.composer.node, this.memory, this.list);
    this.root = h(".talk", {}, this.side, this.desk, this.aside);
    fill(root, this.root);
    this.#draw();
    await this.#loadSessions();
    const chosen = state.session && await found(state.session.session_id);
    if (this.#isClosed) return; // another user was chosen meanwhile, or another view
    if (this.#hasChosen) return this.#listChosen();
    this.#choose(chosen || this.#list.sessions[0] || null);
    if (state.session) $("#in")?.focus({preventScroll: true});
  }

  close() {
    this.#isClosed = true;
    this.live.stop();
    hide();
  }

  /** Keys of this view; true if the key meant something. */
  key(event) {
    if (event.key === "Escape" && this.#explained) return this.#explain(false), true;
    const count = Math.min(this.#answer?.predictions.length || 0, this.#rows);
    if (!count || this.#compare) return false;
    if (event.key === "j" || event.key === "k") {
      this.#cursor = Math.max(0, Math.min(count - 1, this.#cursor + (event.key === "j" ? 1 : -1)));
      this.#mark();
      $(`#why-${this.#cursor}`)?.focus({preventScroll: true});
      this.list.querySelector(".pred.on")?.scrollIntoView({block: "nearest"});
      if (this.#explained) this.#drawDrawer();
    } else if (event.key === "e") this.#explain(true);
    else return false;
    return true;
  }

  focus() {
    $("#in")?.focus();
  }

  // ---- what the service says -------------------------------------------------------------------

  #symbols() {
    return this.#next?.symbols || [];
  }

  async #loadSessions() {
    try {
      this.#list = await openSessions();
      this.#error = null;
    } catch (error) {
      this.#error = error;
    }
    this.#draw();
  }

  /** The session that was chosen while the sessions were being listed is one of them. */
  #listChosen() {
    const {session} = state, {sessions} = this.#list;
    if (session && !sessions.some(one => one.session_id === session.session_id)) this.#list.sessions = [session, ...sessions];
    this.#drawSide();
  }

  #choose(session) {
    this.#hasChosen = true;
    const former = state.session?.session_id;
    choose(session);
    this.shell.showUser();
    this.live.stop();
    [this.#stm, this.#answer, this.#next, this.#genes, this.#error] = [null, null, null, null, null];
    [this.#cursor, this.#rows, this.#compare] = [0, ROWS, null];
    this.#explain(false);
    if (former && former !== session?.session_id) this.composer.clear();
    this.#draw();
    if (!session) return this.shell.connection("");
    this.#loadMemory();
    this.#loadGenes();
    this.live.follow(session.session_id, ASKED);
  }

  async #loadGenes() {
    const id = state.session.session_id;
    const {config} = await get(ofSession(id, "/config")).catch(() => ({}));
    if (id !== state.session?.session_id) return;
    this.#genes = config;
    this.#drawSide();
  }

  async #loadMemory() {
    const id = state.session.session_id, version = ++this.#version;
    try {
      const {stm} = await get(ofSession(id, "/stm"));
      if (version !== this.#version || id !== state.session?.session_id) return;
      this.#stm = stm;
      this.#drawMemory();
      if (this.#explained) this.#drawDrawer();
      this.#drawCount();
    } catch (error) {
      this.#fails(error, id);
    }
  }

  /** A push of the subscription, or what was asked for while there is none. */
  #hear(name, payload) {
    this.#error = null;
    if (name === "next") {
      this.#next = payload;
      this.#drawNext();
      return this.composer.draw();
    }
    const isNew = !this.#answer || payload.time !== this.#answer.time || payload.stm_length !== this.#stm?.length;
    this.#answer = payload;
    this.#cursor = Math.min(this.#cursor, Math.max(0, payload.predictions.length - 1));
    if (isNew) this.#loadMemory();
    this.#drawList();
    this.#drawDrawer();
    this.#compare?.refresh();
  }

  #connection(now) {
    this.connected = now;
    this.shell.connection(now);
    if (now === "ended") this.#ended();
  }

  #ended() {
    if (!state.session) return;
    say("The session has ended");
    forgetSession(state.session.session_id);
    this.#list.sessions = this.#list.sessions.filter(one => one.session_id !== state.session.session_id);
    this.#choose(null);
  }

  #refused(name, error) {
    if (error.code === "UNAUTHORIZED") return this.shell.signIn(error.message);
    if (error.code === "SESSION_NOT_FOUND") return this.#ended();
    this.#fails(error);
  }

  /** *id* is that of the session that was asked: another one may have been chosen meanwhile. */
  #fails(error, id = state.session?.session_id) {
    if (id !== state.session?.session_id) return say(error.message);
    if (error.code === "SESSION_NOT_FOUND") return this.#ended();
    if (error.status === 401) return;
    this.#error = error;
    this.#drawList();
  }

  /** Ask without a subscription: proxies may let no WebSocket pass. */
  async #refresh() {
    const path = state.session && ofSession(state.session.session_id, "/predictions");
    if (!path) return this.#loadSessions();
    try {
      for (const [name, query] of Object.entries(ASKED)) this.#hear(name, await get(path, query));
    } catch (error) {
      this.#fails(error);
    }
  }

  /** Changes are made in the order in which they were asked for; null: not made, as those that waited behind a failure.
   *  *told* gets the answer and the id of the session, which is the one that was chosen when it was asked for. */
  #change(path, body, told) {
    const before = this.#turn, failures = this.#failures, {session: asked, choices} = state;
    const made = async () => {
      await before.catch(() => {}); // whatever it was, it was told
      if (failures !== this.#failures) return null;
      const own = () => asked || (choices === state.choices ? state.session : null); // not that of another user
      if (!own() && choices === state.choices) await this.#make("");
      const session = own();
      if (session) return this.#changed(session.session_id, path, body, told);
      this.#failures += 1;
      return null;
    };
    return this.#turn = made();
  }

  async #changed(id, path, body, told) {
    try {
      const done = await change(ofSession(id, path), body);
      told(done, id);
      if (id !== state.session?.session_id) return done;
      if (this.connected !== "live") this.#refresh();
      this.#loadMemory();
      return done;
    } catch (error) {
      if (error.code === "EMPTY_STM") return say("Nothing to learn yet"), null;
      this.#failures += 1;
      this.#fails(error, id);
      return null;
    }
  }

  async #observe(event) {
    return Boolean(await this.#change("/observe", event, (done, id) => {
      say(done.auto_learned_pattern ? `Event observed, and the pattern learned` : `Event ${done.stm_length} observed`);
      this.#touch(id, done.stm_length);
    }));
  }

  async #learn() {
    if (!state.session) return say("Nothing to learn yet");
    await this.#change("/learn", {}, (done, id) => {
      say(done.status === "learned" ? `Learned, ${done.frequency} times so far` : "One symbol is too little: nothing was learned");
      if (done.status === "learned") this.#touch(id, 0);
    });
    return this.composer.draw(true);
  }

  async #clear() {
    await this.#change("/clear-stm", {}, (_, id) => this.#touch(id, 0));
    this.composer.draw(true);
  }

  #touch(id, length) {
    const one = this.#list.sessions.find(each => each.session_id === id);
    if (!one) return;
    Object.assign(one, {stm_length: length, last_accessed: new Date().toISOString()});
    this.#drawSide();
  }

  #start() {
    this.#turn = this.#turn.catch(() => {}).then(() => state.session || this.#make(""));
  }

  async #make(name) {
    this.#hasChosen = true;
    try {
      const made = await newSession(name);
      if (!made) return;
      this.#list.sessions = [made, ...this.#list.sessions];
      this.#choose(made);
      this.composer.draw(true);
    } catch (error) {
      this.#fails(error);
    }
  }

  async #setGenes(config) {
    try {
      this.#genes = (await call("POST", ofSession(state.session.session_id, "/config"), {body: {config}})).config;
      this.#drawSide();
      if (this.connected !== "live") this.#refresh();
    } catch (error) {
      this.#fails(error);
    }
  }

  // ---- dialogs ---------------------------------------------------------------------------------

  #askNew() {
    const name = h("input", {type: "text", maxlength: 64, autocomplete: "off"});
    ask("New session", [h("label.field", {}, h("span", {}, "Name, for your own use (optional)"), name),
      h("p.sm.q", {}, state.user === null ? "It shares what it learns with the other sessions of the same user." : `It shares what it learns with all sessions of ${state.user}.`)],
    [["Make", () => this.#make(name.value.trim()), true]]);
  }

  #askOpen() {
    const id = h("input", {type: "text", autocomplete: "off", spellcheck: "false"}), note = h("p.sm.bad-t", {role: "alert"});
    ask("Open a session", [h("label.field", {}, h("span", {}, "Its id, from the answer that created it"), id), note], [["Open", async () => {
      const session = await found(id.value.trim()).catch(() => null);
      if (!session) {
        note.textContent = "No session has this id.";
        return false;
      }
      state.choices += 1;
      choose(session);
      await this.#loadSessions();
      this.#choose(session);
      this.shell.users();
      return true;
    }, true]]);
  }

  #askDelete(session) {
    ask(`End the session ${label(session)}?`, [h("p", {}, "Its short-term memory is dropped. What was learned stays.")], [["End it", async () => {
      await call("DELETE", ofSession(session.session_id));
      forgetSession(session.session_id);
      this.#list.sessions = this.#list.sessions.filter(one => one !== session);
      if (session.session_id === state.session?.session_id) this.#choose(this.#list.sessions[0] || null);
      this.#drawSide();
    }]]);
  }

  // ---- drawing ---------------------------------------------------------------------------------

  #draw() {
    this.#drawSide();
    this.composer.draw();
    this.#drawMemory();
    this.#drawList();
    this.#drawNext();
  }

  #drawSide() {
    const {sessions, others} = this.#list, current = state.session?.session_id;
    fill(this.side,
      h(".sess", {}, h("h2", {}, "Sessions", h("button", {type: "button", id: "new-session", onclick: () => this.#askNew()}, "New")),
        h("ul", {}, sessions.map((one, at) => h("li", {}, h("button", {type: "button", id: `sess-${at}`, "aria-current": one.session_id === current ? "true" : null,
          onclick: () => this.#choose(one)},
          h("span.cut", {}, label(one)), h("small", {}, ago(one.last_accessed)), h("small", {}, one.stm_length ? plural(one.stm_length, "event") : "empty")),
        one.session_id === current ? h("button.end", {type: "button", id: "end-session", "aria-label": `End ${label(one)}`, title: "End this session", onclick: () => this.#askDelete(one)}, "×") : null))),
        sessions.length ? null : h("p.sm.q.pad", {}, "No open session."),
        others && isKeyless() ? h("p.sm.q.pad", {}, `${plural(others, "more session")}, made elsewhere. `, h("button.link", {type: "button", id: "open-session", onclick: () => this.#askOpen()}, "Open by id")) : null),
      this.#genes ? this.#drawGenes() : null);
  }

  #drawGenes() {
    const gene = (name, most, step, digits) => {
      const number = h("span.num", {}, this.#genes[name].toFixed(digits));
      return h("label.gene", {}, h("span", {}, name), number, h("input", {id: `g-${name}`, type: "range", min: digits ? 0 : 1, max: most, step, value: Math.min(most, this.#genes[name]),
        oninput: event => { number.textContent = Number(event.target.value).toFixed(digits); }, onchange: event => this.#setGenes({[name]: Number(event.target.value)})}));
    };
    return h("div", {}, h("h2", {}, "This session’s genes"), gene("recall_threshold", 1, 0.05, 2), gene("max_predictions", 100, 1, 0));
  }

  #drawMemory() {
    const stm = this.#stm || [], symbols = stm.flat().length;
    const cards = stm.slice(-200).map((event, at) => h("li", {}, h(".card", {}, event.slice(0, 12).map(symbol => h("div", {title: symbol}, shown(symbol))), event.length > 12 ? h(".emo", {}, `${event.length - 12} more`) : null),
      h("span.t.num", {}, Math.max(0, stm.length - 200) + at + 1)));
    const now = h("li.now", {}, h(".card", {}, symbols ? "next" : "Nothing observed yet"), h("span.t", {}, "now"));
    const line = h("ol.stm", {tabindex: 0, "aria-label": "Observed events, oldest first", id: "stm"}, cards, now);
    fill(this.memory,
      h(".hd", {}, h("h2", {id: "s-h"}, "Short-term memory"), h("span.sm.q.num", {}, symbols ? `${plural(stm.length, "event")}, ${plural(symbols, "symbol")}` : "empty"),
        h(".r", {}, h("button.btn", {type: "button", id: "clear", disabled: !symbols, onclick: () => this.#clear()}, "Clear"),
          h("button.btn.first", {type: "button", id: "learn", disabled: symbols < 2, onclick: () => this.#learn(), title: "Ctrl+Enter"}, "Learn"))),
      line);
    line.scrollLeft = line.scrollWidth;
  }

  #drawCount() {
    const count = this.list.querySelector("#p-count"), why = this.#answer?.explanation;
    if (count && why) count.textContent = why.kept ? `${thousands(why.kept)} of ${plural(why.patterns, "pattern")} reach ${why.recall_threshold.toFixed(2)}` : "";
  }

  #drawList() {
    const head = h(".hd", {}, h("h2", {id: "p-h"}, "Predictions"), h("span.sm.q.num", {id: "p-count"}),
      this.#answer?.stale ? h("span.tag.only", {title: "MongoDB does not answer; other replicas may have learned since"}, "stale") : null,
      state.session && this.#genes ? h(".r", {}, h("button.btn", {type: "button", id: "compare", "aria-pressed": String(Boolean(this.#compare)), onclick: () => this.#toggleCompare()}, this.#compare ? "Stop comparing" : "Compare")) : null);
    this.root?.classList.toggle("comparing", Boolean(this.#compare));
    fill(this.list, head, ...this.#content());
    this.#drawCount();
  }

  /** Mark the row that the keys are at. */
  #mark() {
    this.list.querySelectorAll("#preds .pred").forEach((row, at) => row.classList.toggle("on", at === this.#cursor));
  }

  #content() {
    if (this.#error) return [alertBox(this.#error, () => this.#refresh())];
    if (this.#compare) return [this.#compare.node];
    const listed = this.#answer?.predictions || [];
    if (!listed.length) return [this.#nothing()];
    return [axis(), h("ol", {id: "preds"}, listed.slice(0, this.#rows).map((one, at) => predictionRow(one, at, at === this.#cursor, () => { this.#cursor = at; this.#explain(true); }))),
      listed.length > this.#rows ? h("button.btn.wide-b", {type: "button", id: "more-rows", onclick: () => { this.#rows += ROWS; this.#drawList(); }}, `Show ${Math.min(ROWS, listed.length - this.#rows)} more`) : null];
  }

  #nothing() {
    if (!state.session) return empty("Start a session", "A session has its own short-term memory. What it learns is shared by all sessions of its user.", h("button.btn.first", {type: "button", id: "start", onclick: () => this.#start()}, "Start"));
    if (!this.#answer) return h("p.q.pad", {}, "Asking…");
    const reasons = this.#answer.explanation?.reasons || [];
    const [title] = {empty_stm: ["Say something"], one_symbol: ["Two symbols are enough"], empty_knowledge_base: ["Nothing was learned yet"]}[reasons[0]?.code] || ["No pattern reaches the threshold"];
    return empty(title, "", h("ul.why", {}, reasons.map(one => h("li", {}, one.message))), h("p", {}, h("a", {href: "#teach"}, "A first conversation in five steps")));
  }

  #drawNext() {
    const next = this.#next, symbols = this.#symbols(), hasAny = symbols.length || next?.stop?.weight;
    fill(this.aside, h("h2", {id: "n-h"}, "What comes next"), h("p.sm.q", {}, hasAny ? "Share of frequency · similarity of all patterns that are similar enough" : "Ranked symbols appear with the first prediction."),
      hasAny ? ranked(symbols, symbol => this.composer.put(symbol), next.stop) : null, this.#legend());
  }

  #legend() {
    const rows = [["hit", "matched: observed and learned"], ["gap", "missing: learned, not observed"], ["", "learned, before or after"], ["s", "extra: observed, unexplained"]];
    return h(".legend", {}, rows.map(([kind, text]) => h("div", {}, kind === "s" ? h(".ev", {}, h("s", {}, "symbol")) : h(".ev", {}, h(kind ? `span.${kind}` : "span", {}, "symbol")), text)),
      h("p", {}, "Every number can be traced: click the bars of a prediction, or press ", h("kbd", {}, "e"), "."));
  }

  #toggleCompare() {
    this.#explain(false);
    const {session} = state;
    this.#compare = this.#compare ? null : new Compare({session, threshold: this.#genes.recall_threshold, sessions: () => this.#list.sessions, pick: symbol => this.composer.put(symbol)});
    this.#drawList();
    this.#compare?.refresh();
  }

  #explain(show) {
    const was = this.#explained;
    this.#explained = show && Boolean(this.#answer?.predictions.length);
    this.root?.classList.toggle("wide", this.#explained);
    if (!this.#explained) {
      hide();
      if (was) $(`#why-${this.#cursor}`)?.focus();
      return;
    }
    this.#mark();
    this.#drawDrawer();
    $("#d-close")?.focus();
  }

  #drawDrawer() {
    const prediction = this.#answer?.predictions[this.#cursor];
    if (!this.#explained) return;
    if (!prediction?.explanation) return this.#explain(false);
    const drawer = $("#drawer"), held = drawer.contains(document.activeElement);
    explain(drawer, {prediction, stm: this.#stm || [], answer: this.#answer, place: `rank ${this.#cursor + 1} of ${this.#answer.total}`,
      close: () => this.#explain(false), openPattern: () => this.shell.go("knowledge", {pattern: prediction.pattern_name})});
    if (held) $("#d-close")?.focus();
  }
}
