// Instance: how it is, and what to do about what is red. Nothing here asks a store: the service tells
// what its background checks and recent calls found.

import {ApiError, get} from "./api.js";
import {$, ago, fill, h, plural, thousands} from "./dom.js";
import {alertBox, bar, spark} from "./pieces.js";
import {state} from "./state.js";

/** Refusals, and no answer in time: what a store that is away would tell is left out. */
const MISSING = new Set([0, 403, 404, 503]), PATIENCE_MS = 2000;
const EVERY_MS = 5000, LISTED = 1000, USERS = 12, MINUTES = 60;
const STORES = {redis: ["Sessions", {redis: "Redis", memory: "in this process"}], mongodb: ["Knowledge", {mongodb: "MongoDB", sqlite: "SQLite"}], qdrant: ["Vectors", {qdrant: "Qdrant", local: "local files", disabled: ""}]};
const WORDS = {healthy: "well", degraded: "failing", unhealthy: "away", disabled: "off"};

/** What is affected, and what helps, in order. */
const ADVICE = {
  redis: ["Requests on sessions fail with 503. They are safe to repeat with the same unique_id.", "sessions"],
  mongodb: ["Learning and predicting fail with 503, or answer from memory if KNOWLEDGE_MAX_STALENESS_S allows it. Observing strings goes on, and nothing is lost.", "knowledge"],
  qdrant: ["Only observations with vectors, and reads of vectors, fail with 503. Strings, learning and predictions are not affected.", "vectors"],
};

/** In a cluster, an instance is called <name>.<namespace>; else there is nothing for kubectl. */
function commands(store) {
  const [name, ...rest] = (state.health?.processor_id || "").split("."), space = rest.join(".");
  if (!space) return [["Look at the store’s own log, and at the log of kato-service: the lines of the store name the cause."]];
  return [
    ["See why: ", `kubectl describe katoinstance ${name} -n ${space}`],
    ["Look at its pod: ", `kubectl get pods -n ${space} -l app.kubernetes.io/instance=${name},app.kubernetes.io/component=${store}`],
  ];
}

const listed = steps => h("ol", {}, steps.map(([text, command]) => h("li", {}, h("span", {}, text, command ? h("code", {}, command) : null))));

/** The alerts of what needs somebody. */
function alerts({components, auth}) {
  const bad = Object.entries(components).filter(([, one]) => one.status === "unhealthy" || one.status === "degraded");
  const found = bad.map(([name, one]) => {
    const [text, what] = ADVICE[name] || ["", name], [, backends] = STORES[name] || ["", {}];
    return h("section.alert", {}, h("h2", {}, one.status === "unhealthy" ? `The store of ${what} (${backends[one.backend] || one.backend}) does not answer` : `The store of ${what} (${backends[one.backend] || one.backend}) fails now and then`),
      h("p", {}, text), listed([...commands(name), [one.circuit === "open" ? "Nothing else: the circuit closes by itself after the next good probe." : "The service keeps asking; it needs no restart."]]));
  });
  if (auth.status !== "healthy") found.push(h("section.alert", {}, h("h2", {}, "The keys or the token issuer cannot be read"), h("p", {}, "What was read last stays in use: known keys work, withdrawn ones too."),
    listed([["Look for “file not reloaded” or the issuer’s name in the log of kato-service."], ["Check the Secret with the keys, or whether the issuer’s address answers from the pods."]])));
  return found;
}

const ms = seconds => (seconds === undefined || seconds === null ? "–" : seconds < 0.0995 ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`);
const values = (series, name) => (series?.[name] || []).map(one => one.value);
const latest = (series, name) => values(series, name).at(-1);

/** Requests per second between two samples. */
function rates(points = []) {
  return points.slice(1).map((one, at) => Math.max(0, (one.value - points[at].value) / Math.max(1, one.timestamp - points[at].timestamp)));
}

function card(title, status, facts, line, note) {
  const isBad = status === "unhealthy" || status === "degraded";
  return h(isBad ? "section.hc.bad" : "section.hc", {}, h("h2", {}, h(isBad ? "span.dot.bad" : status === "disabled" ? "span.dot.off" : "span.dot", {"aria-hidden": "true"}), title, h("small", {}, WORDS[status] || status)),
    h("dl.num", {}, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))), line || h(".flat-line", {}), h("p", {}, note));
}

const table = (head, rows) => h("table.kv", {}, head ? h("thead.sr", {}, h("tr", {}, head.map(text => h("th", {scope: "col"}, text)))) : null, h("tbody", {}, rows.map(cells => h("tr", {}, cells.map(cell => (cell instanceof Node && cell.tagName === "TD" ? cell : h("td", {}, cell)))))));

export class Instance {
  #timer = 0;
  #isOpen = true;
  #shownConfiguration = false;

  async open(root) {
    this.inner = h(".inner", {}, h(".hd", {}, h("h1", {}, "Instance"), h("span.sm.q", {}, "Asking…")));
    fill(root, h(".inst-v", {tabindex: 0, role: "region", "aria-label": "Instance", id: "inst"}, this.inner));
    await this.#refresh();
  }

  close() {
    this.#isOpen = false;
    clearTimeout(this.#timer);
  }

  key() {
    return false;
  }

  focus() {
    $("#inst")?.focus();
  }

  async #refresh() {
    try {
      const facts = await this.#facts();
      if (!this.#isOpen) return;
      this.#draw(facts);
    } catch (error) {
      if (!this.#isOpen || error.status === 401) return;
      if (!(error instanceof ApiError)) throw error;
      fill(this.inner, h("h1", {}, "Instance"), alertBox(error, () => this.#refresh()));
    }
    this.#timer = setTimeout(() => this.#refresh(), EVERY_MS);
  }

  /** Everything that the caller may see; figures of the instance need the scope `metrics`. */
  async #facts() {
    const health = state.health = await get("v2/health", {}, {quiet: true});
    const [status, metrics, stats, sessions, users] = await Promise.all([["v2/status"], ["metrics"], ["stats", {minutes: MINUTES}], ["v2/sessions", {limit: LISTED}], ["v2/users", {limit: LISTED}]].map(
      ([path, query]) => get(path, query, {signal: AbortSignal.timeout(PATIENCE_MS)}).catch(error => { if (MISSING.has(error.status)) return null; throw error; })));
    return {health, status, metrics, stats, sessions, users};
  }

  #draw({health, status, metrics, stats, sessions, users}) {
    const found = alerts(health), series = stats?.time_series;
    const calm = found.length ? `${found.length === 1 ? "one item needs" : `${found.length} items need`} you; the rest is well` : "all is well";
    fill(this.inner,
      h(".hd", {}, h("h1", {}, "Instance"), h("span.sm.q", {role: "status"}, calm)), ...found,
      h(".cards", {}, this.#service(health, metrics, series), Object.entries(health.components).map(([name, one]) => this.#store(name, one, metrics, series))),
      metrics ? null : h("p.sm.q.note", {}, "Figures of the whole instance need a key with the scope metrics."),
      h(".three", {}, this.#circuits(health), this.#people(sessions, users), this.#versions(health, status, metrics, series)),
      status ? this.#configuration(status.configuration) : null);
  }

  #service(health, metrics, series) {
    const facts = metrics ? [["mean", ms(latest(series, "kato_request_duration_seconds") ?? metrics.performance.average_response_time)], ["requests/s", metrics.rates.requests_per_second.toFixed(1)]] : [["sessions", thousands(health.active_sessions)]];
    const note = metrics ? `${thousands(metrics.performance.total_requests)} requests since the start, ${thousands(metrics.performance.total_errors)} failed` : `up ${uptime(health.uptime_seconds)}`;
    return card("Service", health.status === "unhealthy" ? "unhealthy" : "healthy", facts, spark(values(series, "kato_request_duration_seconds"), 220, 36), note);
  }

  #store(name, one, metrics, series) {
    const [what, backends] = STORES[name] || [name, {}], {in_use: used, idle, max} = one.pool, pool = max ? `${max - used} of ${max} connections free` : "";
    const called = metrics?.databases[name], note = [one.last_error_at ? `last error ${ago(one.last_error_at)} ago` : one.status === "unhealthy" ? "no answer so far" : one.status === "disabled" ? "observations with vectors are refused" : "no error so far", pool].filter(Boolean).join("; ");
    const facts = [["probe", one.latency_ms === null || one.status === "disabled" ? "–" : ms(one.latency_ms / 1000)], ...(called?.operations ? [["calls", ms(latest(series, `${name}_response_time`) ?? called.avg_response_time)]] : [])];
    return card(h("span", {}, what, h("span.sm.q", {}, ` ${backends[one.backend] ?? one.backend}`)), one.status, facts, spark(values(series, `${name}_response_time`), 220, 36), note, idle);
  }

  #circuits(health) {
    return h("section", {}, h("h2", {}, "Circuits"), table(["store", "circuit", "connections", "last error"], Object.entries(health.components).map(([name, one]) => [
      name, h(one.circuit === "open" ? "td.bad-t" : "td", {}, one.circuit), h("td.num.q", {}, one.pool.max ? `${one.pool.in_use} in use` : ""), h("td.q", {}, one.last_error_at ? `${ago(one.last_error_at)} ago` : "never failed")])),
    h("h2", {}, "Access"), table(null, [["credentials", {none: "none: whoever reaches it may do everything", api_key: "API keys", token: "tokens"}[health.auth.mode] || health.auth.mode], ["keys and issuer", WORDS[health.auth.status] || health.auth.status]]));
  }

  #people(sessions, users) {
    const counts = new Map();
    for (const one of sessions?.sessions || []) counts.set(one.user_id, (counts.get(one.user_id) || 0) + 1);
    const top = [...counts].sort((a, b) => b[1] - a[1]).slice(0, USERS), most = top[0]?.[1] || 1, open = user => user ?? "no user";
    const known = (users?.users || []).filter(one => one.patterns).sort((a, b) => b.patterns - a.patterns).slice(0, USERS);
    return h("section", {}, h("h2", {}, sessions?.next_cursor ? `Sessions by user, of the first ${LISTED}` : "Sessions by user"),
      top.length ? table(["user", "share", "sessions"], top.map(([user, count]) => [h("td.cut-c", {}, open(user)), h("td", {}, bar(count, most)), h("td.num", {}, count)])) : h("p.sm.q.pad-y", {}, "No session is open."),
      known.length ? [h("h2", {}, "Knowledge by user"), table(["user", "last learned", "patterns"], known.map(one => [h("td.cut-c", {}, open(one.user_id)), h("td.q", {}, one.last_learned_at ? `${ago(one.last_learned_at)} ago` : ""), h("td.num", {}, thousands(one.patterns))]))] : null);
  }

  #versions(health, status, metrics, series) {
    const line = spark(rates(series?.kato_requests_total), 320, 56), percent = value => (value === undefined ? "–" : `${value.toFixed(1)} %`);
    const loaded = status?.processors;
    return h("section", {}, h("h2", {}, "Versions"), table(null, [["Service", health.version], ["Engine", health.engine === "c" ? "C" : health.engine], ["HTTP API", "v2"], ["Up", uptime(health.uptime_seconds)]].map(([name, value]) => [name, h("td.num", {}, value)])),
      loaded ? [h("h2", {}, "In memory"), table(null, [["Knowledge bases", thousands(loaded.loaded)], ["Patterns", thousands(loaded.patterns)], ["Size", `${(loaded.bytes / 2 ** 20).toFixed(1)} MiB`]].map(([name, value]) => [name, h("td.num", {}, value)]))] : null,
      metrics ? [h("h2", {}, "This worker"), table(null, [["Processor", percent(metrics.resources.cpu_percent)], ["Memory", percent(metrics.resources.memory_percent)], ["Disk", percent(metrics.resources.disk_percent)]].map(([name, value]) => [name, h("td.num", {}, value)]))] : null,
      line ? [h("h2", {}, "Requests per second, last hour"), line] : null);
  }

  #configuration(configuration) {
    const shown = value => (value === null ? "–" : Array.isArray(value) ? value.join(", ") || "none" : String(value));
    const details = h("details", {open: this.#shownConfiguration, ontoggle: event => { this.#shownConfiguration = event.target.open; }}, h("summary", {id: "configuration"}, h("h2", {}, "Configuration"), h("span.sm.q", {}, plural(Object.keys(configuration).length, "setting"))),
      h(".columns", {}, table(["setting", "value"], Object.entries(configuration).map(([name, value]) => [h("td", {}, h("code", {}, name)), h("td.num", {}, shown(value))]))));
    return details;
  }
}

function uptime(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.floor(seconds)} s`;
}
