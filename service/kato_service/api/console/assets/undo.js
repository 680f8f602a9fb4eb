// What this page changed in patterns and can undo, the last change first, in a strip above the list. A
// delete is undone with the line that its answer had, an edit with the former values.

import {call, get, ofSession, persistently, uniqueId} from "./api.js";
import {$, fill, h, say} from "./dom.js";
import {putIn} from "./moving.js";
import {sequence} from "./pieces.js";
import {state} from "./state.js";

const MOST = 20;

export class Undo {
  #told = "";
  #problem = "";
  #isBusy = false;

  /** *done* gets the name of a pattern that is as it was. */
  constructor(node, done) {
    this.node = node;
    this.done = done;
    this.#draw();
  }

  /** A pattern was deleted; *line* puts it back, if that is known. */
  deleted(pattern, line) {
    if (!line) return say("Deleted");
    const id = uniqueId(), {user} = state;
    return this.#note("Deleted", pattern, () => persistently(() => putIn(line, user, {query: {unique_id: id}})));
  }

  /** *former* became *edited*. */
  edited(former, edited) {
    const path = ofSession(state.session.session_id, `/patterns/${encodeURIComponent(former.name)}`);
    const isLike = (one, other) => differing(one, other).length === 0, changed = differing(former, edited);
    if (!changed.length) return say("Saved");
    return this.#note("Edited", former, async () => {
      const now = await get(path);
      if (isLike(now, former)) return;
      if (!isLike(now, edited)) throw new Error("It was learned or edited since, which the former values would undo, too.");
      await call("PUT", path, {body: Object.fromEntries(changed.map(name => [name, former[name]]))});
    });
  }

  /** Tell what was done that has no undo. */
  tell(text) {
    this.#told = text;
    this.#draw();
  }

  /** Undo the last change of the chosen user. */
  async last() {
    const step = this.#step;
    if (!step || this.#isBusy) return;
    this.#isBusy = true;
    this.#draw();
    try {
      await step.act();
      this.#drop(step);
      say("Undone");
      this.done(step.name);
    } catch (error) {
      this.#problem = error.message;
      say(error.message);
    } finally {
      this.#isBusy = false;
      this.#draw();
    }
  }

  get #step() {
    return state.undo.findLast(one => one.user === state.user);
  }

  #note(what, {name, pattern_data: events}, act) {
    state.undo = [...state.undo, {user: state.user, what, name, events, act}].slice(-MOST);
    this.#told = this.#problem = "";
    this.#draw();
    // A dialog that asked for it is still open, and what opened it is drawn anew.
    $("#dialog").addEventListener("close", () => $("#undo")?.focus(), {once: true});
  }

  #drop(step) {
    state.undo = state.undo.filter(one => one !== step);
    this.#problem = "";
  }

  #draw() {
    const step = this.#step, close = (label, act) => h("button.icon", {type: "button", "aria-label": label, title: label, onclick: act}, "×");
    fill(this.node,
      this.#told ? h(".strip", {}, h("p", {}, this.#told), close("Close", () => this.tell(""))) : null,
      step ? h(".strip", {}, h("p.cut", {}, `${step.what}: `, sequence(step.events)), h("button.btn", {type: "button", id: "undo", title: "Undo (u)", "aria-disabled": String(this.#isBusy), onclick: () => this.last()}, this.#isBusy ? "Undoing…" : "Undo"),
        close("Keep the change", () => { this.#drop(step); this.#draw(); }), this.#problem ? h("p.bad-t.sm", {}, this.#problem) : null) : null);
  }
}

/** What an edit can change and is not the same in both. */
const differing = (one, other) => ["frequency", "emotives"].filter(name => JSON.stringify(one[name]) !== JSON.stringify(other[name]));
