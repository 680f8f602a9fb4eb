// Knowledge: what a user has taught, as a list that is searched, sorted and looked into.

import {$, calmly, fill, h, plural, say, thousands} from "./dom.js";
import {Growth} from "./growth.js";
import {importFile} from "./importing.js";
import {save} from "./moving.js";
import {PatternPage} from "./pattern.js";
import {Listing, search, total} from "./patterns.js";
import {alertBox, empty, sequence} from "./pieces.js";
import {choose, found, newSession, openSessions, state} from "./state.js";
import {Undo} from "./undo.js";

const ROW = 40, AROUND = 6, TALLEST = 8_000_000;

async function opened(listing) {
  await listing.load(0);
  return listing;
}

export class Knowledge {
  #all = 0;
  #rows = null;
  #query = {sought: "", sort: "", direction: -1};
  #chosen = "";
  #place = -1;
  #parts = false;
  #isClosed = false;
  #isOpen;
  #opened = new Promise(done => { this.#isOpen = done; });
  #abort = new AbortController();

  constructor(shell) {
    this.shell = shell;
  }

  async open(root, params) {
    this.#layout(root, params);
    if (!await this.#session()) return;
    this.page = new PatternPage(this.detail, {open: name => this.#show(name), gone: (pattern, line) => this.#gone(pattern, line), edited: (former, pattern) => { this.undo.edited(former, pattern); this.#changed(); }});
    this.growth.show();
    await this.#load(params.get("q") || "");
    if (params.get("pattern")) this.#show(params.get("pattern"));
    else if (this.#rows?.length) this.#pick(0);
    this.#isOpen();
  }

  close() {
    this.#isClosed = true;
    this.#abort.abort();
    this.page?.close();
  }

  focus() {
    $("#find")?.focus();
  }

  key(event) {
    if (event.key === "u") this.undo.last();
    if (event.key !== "j" && event.key !== "k") return false;
    this.#move(event.key === "j" ? 1 : -1);
    return true;
  }

  /** Reading needs a session of the user: one that is open, or a new one. */
  async #session() {
    const chosen = state.session && await found(state.session.session_id) || (await openSessions()).sessions[0] || await newSession("console");
    if (this.#isClosed) return null; // another user was chosen meanwhile
    choose(chosen);
    return chosen;
  }

  // ---- the list --------------------------------------------------------------------------------

  async #load(sought = this.#query.sought) {
    this.#abort.abort();
    const abort = this.#abort = new AbortController(), {signal} = abort;
    this.#query.sought = sought;
    const {session_id: session} = state.session;
    try {
      this.#all = await total(session);
      const rows = signal.aborted ? null : await this.#find(session, signal);
      if (signal.aborted) return;
      this.#rows = rows;
      this.#drawHead();
      this.#reset();
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      fill(this.none, alertBox(error, () => this.#load()));
      this.none.hidden = false;
      this.body.hidden = true;
    }
  }

  /** What fits the query. The service finds whole symbols at once; parts of symbols take a look at every pattern. */
  async #find(session, signal) {
    const {sought, sort} = this.#query, words = sought.split(/\s+/).filter(Boolean);
    const progress = looked => this.#say(`${thousands(looked)} of ${thousands(this.#all)} looked at`);
    if (!sought) return sort ? search(session, {...this.#query, symbols: [], signal, progress}) : opened(new Listing(session, this.#all));
    for (const symbols of this.#parts ? [] : words.length > 1 ? [[sought], words] : [words]) {
      const rows = sort ? await search(session, {...this.#query, sought: "", symbols, signal, progress}) : await opened(new Listing(session, 1, symbols));
      if (rows.length || signal.aborted) return rows;
    }
    return search(session, {...this.#query, symbols: [], signal, progress});
  }

  #say(text) {
    fill(this.count, text);
  }

  /** How many are listed, and what more could be looked for. */
  #sayCount() {
    const {length, isWhole, symbols} = this.#rows, {sort} = this.#query;
    if (symbols?.length) {
      const parts = h("button.link", {type: "button", id: "parts", title: "Look through all patterns", onclick: () => { this.#parts = true; this.#load(); }}, "parts too");
      return fill(this.count, `${isWhole ? "" : "more than "}${thousands(isWhole ? length : length - 1)} of ${thousands(this.#all)}, `, parts);
    }
    return this.#say(isWhole ? (length === this.#all ? plural(length, "pattern") : `${thousands(length)} of ${thousands(this.#all)}`) : `the ${sort ? "first" : "first found"} ${thousands(length)} of ${thousands(this.#all)}`);
  }

  #reset() {
    const length = this.#rows.length, isEmpty = !length;
    this.none.hidden = !isEmpty;
    this.body.hidden = isEmpty;
    if (isEmpty) fill(this.none, this.#all ? empty("No pattern has that symbol", "Search by a part of a symbol, or by the first characters of a name.") : empty("Nothing was learned yet", "Teach it in Talk, or drop a file here: text, CSV, JSON lines, or an export.", h("p", {}, h("a", {href: "#teach"}, "A first conversation in five steps"))));
    this.body.scrollTop = 0;
    this.spacer.style.height = `${Math.min(length * ROW, TALLEST)}px`;
    this.#sayCount();
    this.#paint();
  }

  /** Where the list begins, in pixels of a list without a bound; browsers bound how tall an element is. */
  #offset() {
    const whole = this.#rows.length * ROW, room = this.body.clientHeight;
    return whole <= TALLEST ? this.body.scrollTop : this.body.scrollTop / (TALLEST - room) * (whole - room);
  }

  #paint() {
    if (!this.#rows) return;
    const offset = this.#offset(), from = Math.max(0, Math.floor(offset / ROW) - AROUND), many = Math.ceil((this.body.clientHeight || 700) / ROW) + 2 * AROUND;
    const shown = [];
    for (let place = from; place < Math.min(this.#rows.length, from + many); place++) shown.push(this.#row(place, place * ROW - offset));
    this.frame.replaceChildren(...shown);
    const on = this.frame.querySelector(".on");
    if (on) this.body.setAttribute("aria-activedescendant", on.id);
    else this.body.removeAttribute("aria-activedescendant");
    this.#fetch(from, Math.min(this.#rows.length - 1, from + many));
  }

  async #fetch(...places) {
    const rows = this.#rows;
    try {
      for (const place of places) if (await rows.load(place) && rows === this.#rows) {
        this.spacer.style.height = `${Math.min(rows.length * ROW, TALLEST)}px`;
        this.#sayCount();
        return this.#paint();
      }
    } catch (error) {
      say(error.message);
    }
  }

  #row(place, top) {
    const one = this.#rows.at(place), isOn = Boolean(one) && one.name === this.#chosen;
    const props = {role: "option", id: `r${place}`, "aria-selected": String(isOn), "aria-posinset": place + 1, "aria-setsize": this.#rows.length, top: `${top}px`, onclick: () => this.#pick(place)};
    if (!one) return h(".row.cols", props, h("span.seq.q", {}, "…"));
    return h(isOn ? ".row.cols.on" : ".row.cols", props, sequence(one.pattern_data, this.#query.sought), h("span.num.rt", {}, one.pattern_data.length), h("span.num.rt", {}, one.length), h("span.num.rt", {}, thousands(one.frequency)));
  }

  async #pick(place) {
    const rows = this.#rows;
    this.#place = place;
    // A place far away takes a request per page on the way, as pages follow each other.
    while (!rows.at(place)) if (!await rows.load(place) || rows !== this.#rows || place !== this.#place) return;
    this.#show(rows.at(place).name);
  }

  #show(name) {
    this.#chosen = name.startsWith("PTRN|") ? name : `PTRN|${name}`;
    this.#paint();
    this.page.show(name, this.#query.sought && this.#rows.at(this.#place)?.pattern_data.flat().find(symbol => symbol.toLowerCase().includes(this.#query.sought.toLowerCase())));
  }

  #gone(pattern, line) {
    if (this.#chosen === pattern.name) this.#chosen = "";
    this.undo.deleted(pattern, line);
    this.#changed();
  }

  /** A pattern is as it was before a change. */
  async #undone(name) {
    await this.#opened; // what is shown first would take its place
    (this.body.hidden ? $("#find") : this.body).focus();
    this.#show(name);
    this.#changed();
  }

  /** Show what became of patterns. */
  #changed() {
    this.growth.show();
    return this.#load();
  }

  #move(step) {
    if (!this.#rows?.length) return;
    const place = Math.max(0, Math.min(this.#rows.length - 1, this.#place + step)), whole = this.#rows.length * ROW, room = this.body.clientHeight;
    const scale = whole <= TALLEST ? 1 : (TALLEST - room) / (whole - room), offset = this.#offset();
    if (place * ROW < offset) this.body.scrollTop = place * ROW * scale;
    else if ((place + 1) * ROW > offset + room) this.body.scrollTop = ((place + 1) * ROW - room) * scale;
    this.#pick(place);
  }

  #listKey(event) {
    const far = this.#rows?.length || 0, step = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -far, End: far}[event.key];
    if (!step) return;
    event.preventDefault();
    this.#move(step);
  }

  // ---- layout ----------------------------------------------------------------------------------

  #layout(root, params) {
    this.frame = h(".frame", {});
    this.spacer = h(".spacer", {});
    this.body = h(".vt", {tabindex: 0, role: "listbox", id: "vt", "aria-label": "Patterns", onkeydown: event => this.#listKey(event)}, this.frame, this.spacer);
    this.body.addEventListener("scroll", () => this.#paint(), {passive: true});
    this.none = h("div", {hidden: true});
    this.count = h("span.sm.q.num", {role: "status", id: "found"}, "Asking…");
    this.head = h(".cols.thead", {});
    this.strips = h("div", {role: "status", id: "strips"});
    this.growth = new Growth(h("details.growth", {open: true, id: "growth"}));
    this.detail = h("aside.detail", {"aria-label": "Pattern", id: "detail"});
    this.file = h("input", {type: "file", id: "file", hidden: true, accept: ".txt,.csv,.tsv,.json,.jsonl,.ndjson,.gz", onchange: event => this.#files(event.target.files)});
    const seek = calmly(text => { this.#parts = false; this.#load(text); }, 200);
    this.list = h(".list", {ondragover: event => { event.preventDefault(); this.list.classList.add("drop"); }, ondragleave: () => this.list.classList.remove("drop"), ondrop: event => { event.preventDefault(); this.list.classList.remove("drop"); this.#files(event.dataTransfer.files); }},
      h(".hd", {}, h("h1", {}, "Knowledge"), h("span.sm.q", {}, state.user ?? ""), h(".r", {}, this.file, h("button.btn", {type: "button", id: "import", onclick: () => this.file.click()}, "Import"), h("button.btn", {type: "button", id: "export", onclick: () => this.#export()}, "Export"))),
      h(".find", {}, h("input", {id: "find", type: "search", value: params.get("q") || "", placeholder: "Search symbols or a pattern’s name", "aria-label": "Search patterns", autocomplete: "off", spellcheck: "false", oninput: event => seek(event.target.value.trim()),
        onkeydown: event => { if (event.key === "ArrowDown") { event.preventDefault(); this.body.focus(); } }}), this.count),
      this.strips, this.growth.node, this.head, this.none, this.body, h("p.sm.q.hint-d", {}, "Drop a file to learn from it: text, CSV or JSON lines; or an export, to import it"));
    fill(root, h(".know", {}, this.list, this.detail));
    this.undo = new Undo(this.strips, name => this.#undone(name));
    this.#drawHead();
  }

  #drawHead() {
    const column = (name, text) => h("button.rt", {type: "button", id: `by-${name}`, "aria-pressed": String(this.#query.sort === name), title: "Sort; once more turns it around, then back to first learned", onclick: () => this.#sort(name)}, text, this.#query.sort === name ? (this.#query.direction < 0 ? " ↓" : " ↑") : "");
    fill(this.head, h("span", {}, this.#query.sort ? "Pattern" : "Pattern, first learned first"), column("events", "Events"), column("symbols", "Symbols"), column("frequency", "Learned"));
  }

  #sort(name) {
    const {sort, direction} = this.#query;
    if (sort !== name) Object.assign(this.#query, {sort: name, direction: -1});
    else if (direction < 0) this.#query.direction = 1;
    else this.#query.sort = "";
    this.#drawHead();
    this.#load();
  }

  #files(files) {
    if (files.length > 1) this.undo.tell(`Nothing was imported: drop one file at a time, not ${files.length}.`);
    else if (files[0]) importFile(files[0], told => { if (told) this.undo.tell(told); this.#changed(); });
    this.file.value = "";
  }

  async #export() {
    if (this.isExporting) return;
    this.isExporting = true;
    try {
      // The first line is about all others, and the last one is a checksum.
      await save(state.user, lines => this.#say(`${thousands(Math.min(this.#all, Math.max(0, lines - 1)))} of ${thousands(this.#all)} exported`));
      this.undo.tell("Everything that was learned is exported. To import it, drop the file on a list.");
    } catch (error) {
      this.undo.tell(error.message);
    } finally {
      this.isExporting = false;
      if (this.#rows) this.#sayCount();
    }
  }
}
