// What the TypeScript client does on a real instance, for Node.js and for a page alike: `cases` by
// the promise that breaks. Nothing here needs more than the language, fetch and WebSocket.
import {
  AnswerError,
  ConnectionFailedError,
  InvalidRequestError,
  Kato,
  KatoError,
  NotFoundError,
  UnauthorizedError,
  type Sequence,
} from "kato-client";

import { all, equal, following, newUser, ok, thrown } from "./checks.js";

/** The addresses of an open instance and of one that asks for a key. */
export interface World {
  url: string;
  keyedUrl: string;
  key: string;
}

const LETTERS = ["a", "b", "c"];
const PATIENCE = { timeoutMs: 60_000 };

export const cases: Record<string, (world: World) => Promise<void>> = {
  async "a conversation ends with a prediction"({ url }) {
    const session = await new Kato({ url }).createSession({ user_id: newUser() });
    const observed = await session.observe({
      strings: ["hello"],
      emotives: { joy: 0.5 },
      metadata: { line: 1 },
    });
    equal([observed.symbols, observed.stm_length], [["hello"], 1]);
    const world = { strings: ["wide", "world"], vectors: [[1, 0.5]] };
    await session.observe(world);
    await session.observe("again");
    const learned = await session.learn();
    equal([learned.status, learned.frequency], ["learned", 1]);
    await session.observeSequence(["hello", world]);
    const { predictions, total } = await session.predictions({ limit: 1, recall_threshold: 0.1 });
    equal([predictions.length, total], [1, 1]);
    equal(
      [predictions[0]?.future, predictions[0]?.pattern_name],
      [[["again"]], learned.pattern_name],
    );
    equal(predictions[0]?.emotives, { joy: 0.5 });
    equal(
      (await session.predictions({ offset: 1, explain: true })).explanation.reasons[0]?.code,
      "before_offset",
    );
    await session.clearStm();
    equal(await session.stm(), []);
    await session.close();
  },

  async "a closed session is deleted and its patterns stay"({ url }) {
    const kato = new Kato({ url });
    const user_id = newUser();
    let id = "";
    {
      await using session = await kato.createSession({
        user_id,
        ttl_seconds: 60,
        metadata: { k: "v" },
      });
      id = session.id;
      const info = await session.info();
      equal([info.user_id, info.ttl_seconds, info.metadata], [user_id, 60, { k: "v" }]);
      await session.observeSequence(LETTERS, { learn_at_end: true });
    }
    equal(await kato.session(id).exists(), false);
    const gone = await thrown(NotFoundError, () => kato.session(id).info());
    ok(gone.message.includes("create a new session"));
    const patterns = await all(kato.user(user_id).patterns());
    equal(
      patterns.map((one) => one.pattern_data),
      [[["a"], ["b"], ["c"]]],
    );
  },

  async "a session that was there before is left as it is"({ url }) {
    const kato = new Kato({ url });
    const session = await kato.createSession();
    await kato.session(session.id).observe("a");
    await kato.session(session.id).close();
    equal(await session.stm(), [["a"]]);
    await session.extend(30);
    equal((await session.info()).ttl_seconds, 30);
    await session.delete();
    await thrown(NotFoundError, () => session.delete());
    await session.close();
  },

  async "genes are changed and returned to their defaults"({ url }) {
    const session = await new Kato({ url }).createSession({ config: { recall_threshold: 0.4 } });
    equal((await session.genes()).recall_threshold, 0.4);
    equal((await session.setGenes({ recall_threshold: 0.5 })).recall_threshold, 0.5);
    equal((await session.setGenes({ recall_threshold: null })).recall_threshold, 0.1);
    const wrong: object = { recall_treshold: 0.5 };
    const refused = await thrown(InvalidRequestError, () => session.setGenes(wrong));
    equal(refused.details[0]?.["location"], ["body", "config", "recall_treshold"]);
    await session.close();
  },

  async "metadata of a session is changed key by key"({ url }) {
    const session = await new Kato({ url }).createSession({ metadata: { a: 1, b: 2 } });
    const changed = await session.setMetadata({ a: null, c: [3] });
    equal(changed.metadata, { b: 2, c: [3] });
    equal((await session.info()).metadata, changed.metadata);
    await session.close();
  },

  async "the nearest vectors are found"({ url }) {
    const session = await new Kato({ url }).createSession({ user_id: newUser() });
    await session.observe({ vectors: [[1, 0]] });
    await session.observe({ vectors: [[0, 1]] });
    const near = await session.nearestVectors([1, 0.1]);
    equal([near.length, (near[0]?.score ?? 0) > 0.99], [2, true]);
    equal(await session.nearestVectors([1, 0.1], { limit: 1 }), near.slice(0, 1));
    equal(await session.nearestVectors([1, 0.1], { min_score: 0.9 }), near.slice(0, 1));
    await session.close();
  },

  async "a user's configuration is set, used and removed"({ url }) {
    const kato = new Kato({ url });
    const user = kato.user(newUser());
    equal((await user.configuration()).changed_at, null);
    await user.configure({ recall_threshold: 0.3, stm_mode: "ROLLING" });
    equal((await user.configure({ recall_threshold: 0.4 })).config, { recall_threshold: 0.4 });
    const session = await kato.createSession({ user_id: user.id });
    equal((await session.genes()).recall_threshold, 0.4);
    await user.removeConfiguration();
    equal((await user.configuration()).config, {});
    await session.close();
  },

  async "growth counts what was learned"({ url }) {
    const user = new Kato({ url }).user(newUser());
    await user.learn([LETTERS, ["x", "y"]]);
    const growth = await user.growth({ intervals: 2 });
    equal([growth.patterns, growth.earlier], [2, 0]);
    equal(
      growth.intervals.reduce((sum, one) => sum + one.first_learned, 0),
      2,
    );
    const refused = await thrown(InvalidRequestError, () => user.growth({ intervals: 1 }));
    equal(refused.details[0]?.["location"], ["query", "intervals"]);
  },

  async "knowledge is exported and imported"({ url }) {
    const kato = new Kato({ url });
    const [one, other] = [kato.user(newUser()), kato.user(newUser())];
    await one.learn([LETTERS, LETTERS, ["x", "y"]]);
    const knowledge = await new Response(await one.export()).blob();
    const moved = await other.import(knowledge);
    equal([moved.parts, moved.imported, moved.repeated], [2, 2, 0]);
    equal((await other.import(knowledge)).repeated, 2);
    equal((await other.import(knowledge, { unique_id: "again" })).imported, 2);
    const packed = knowledge.stream().pipeThrough(new CompressionStream("gzip"));
    const done = await other.import(await new Response(packed).blob(), { replace: true });
    equal([done.imported, done.replaced], [2, true]);
    const frequencies = (await all(other.patterns())).map((pattern) => pattern.frequency);
    equal(frequencies, [2, 1]);
    const cut = knowledge.slice(0, -20);
    const refused = await thrown(InvalidRequestError, () => other.import(cut));
    ok(refused.message.includes("cut or damaged"), refused.message);
    await (await one.export({ vectors: false })).cancel();
  },

  async "an export that is cut off fails"({ url }) {
    const user = newUser();
    await new Kato({ url }).user(user).learn([LETTERS]);
    const cutting: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const whole = await response.blob();
      return new Response(whole.slice(0, -20), response);
    };
    const found = await new Kato({ url, fetch: cutting }).user(user).export();
    const failed = await thrown(ConnectionFailedError, () => found.pipeTo(new WritableStream()));
    ok(failed.message.endsWith("export again"));
  },

  async "lists are read page by page"({ url }) {
    const kato = new Kato({ url });
    const user_id = newUser();
    const session = await kato.createSession({ user_id });
    const events = Array.from({ length: 700 }, (_, number) => [`${number}`, "x"]);
    await session.observeSequence(events, { learn_after_each: true });
    equal(
      (await all(session.patterns())).map((one) => one.pattern_data),
      events.map((event) => [event]),
    );
    equal(
      (await all(kato.sessions({ user_id }))).map((one) => one.user_id),
      [user_id],
    );
    ok((await kato.sessionCount()) >= 1);
    ok((await all(kato.users())).some((one) => one.user_id === user_id && one.patterns !== 0));
    for await (const first of session.patterns()) {
      equal(first.pattern_data, [["0", "x"]]);
      break;
    }
    await session.close();
  },

  async "patterns are edited and deleted"({ url }) {
    const session = await new Kato({ url }).createSession({ user_id: newUser() });
    const { final_learned_pattern: name } = await session.observeSequence(LETTERS, {
      learn_at_end: true,
    });
    await session.updatePattern(name, { frequency: 7, emotives: [{ joy: 1 }] });
    const pattern = await session.pattern(name);
    equal([pattern.frequency, pattern.emotives], [7, [{ joy: 1 }]]);
    const undo = JSON.parse((await session.deletePattern(name)) ?? "");
    equal([undo.frequency, undo.emotives], [7, [{ joy: 1 }]]);
    equal(
      (await thrown(NotFoundError, () => session.deletePattern(name))).code,
      "PATTERN_NOT_FOUND",
    );
    await session.observeSequence(LETTERS, { learn_at_end: true });
    await session.clearAll();
    equal(await all(session.patterns()), []);
    await session.close();
  },

  async "fields that were selected are there and no others"({ url }) {
    const session = await new Kato({ url }).createSession({ user_id: newUser() });
    await session.observeSequence(LETTERS, { learn_at_end: true });
    await session.observeSequence(["a", "b"]);
    const { predictions } = await session.predictions({ fields: ["future", "tfidf_score"] });
    equal(Object.keys(predictions[0] ?? {}).sort(), ["future", "tfidf_score"]);
    const everything = await session.predictions({ fields: "all", explain: true });
    equal(everything.future_potentials?.[0]?.future, [["c"]]);
    equal(everything.predictions[0]?.explanation.potential, everything.predictions[0]?.potential);
    await session.close();
  },

  async "a call may be repeated by its id"({ url }) {
    const session = await new Kato({ url }).createSession();
    ok(!(await session.observe("a", { unique_id: "mine" })).repeated);
    ok((await session.observe("a", { unique_id: "mine" })).repeated);
    equal(await session.stm(), [["a"]]);
    const reused = await thrown(InvalidRequestError, () =>
      session.observe("b", { unique_id: "mine" }),
    );
    ok(reused.message.endsWith("or let the client choose it"));
    await session.close();
  },

  async "a refusal says where, what and what to do"({ url }) {
    const session = await new Kato({ url }).createSession();
    const refused = await thrown(InvalidRequestError, () => session.learn());
    equal([refused.name, refused.status, refused.code], ["InvalidRequestError", 400, "EMPTY_STM"]);
    ok(refused.message.endsWith("(EMPTY_STM): observe something before you learn"));
    ok(refused.requestId && !refused.retryable);
    const letters: unknown = "hello";
    const wrong = await thrown(TypeError, () => session.observeSequence(letters as Sequence));
    ok(wrong.message.startsWith("pass an array of events"));
    await session.close();
  },

  async "credentials are sent"({ keyedUrl: url, key }) {
    for (const given of [{ apiKey: key }, { token: key }, { token: async () => key }]) {
      const session = await new Kato({ url, ...given }).createSession();
      ok(await session.exists());
      const found = session.subscribe(PATIENCE);
      equal((await following(found)).predictions, []);
      await session.close();
      ok((await found.next()).done);
    }
    const refused = await thrown(UnauthorizedError, () => new Kato({ url }).sessionCount());
    ok(refused.message.endsWith("pass apiKey or token to the client"));
    await thrown(UnauthorizedError, () =>
      following(new Kato({ url }).session("x").subscribe(PATIENCE)),
    );
  },

  async "an address without an instance is told"({ url }) {
    const nowhere = new Kato({ url: "http://127.0.0.1:1", timeoutMs: 300 });
    const failed = await thrown(ConnectionFailedError, () => nowhere.sessionCount());
    ok(
      /check the address.*\(gave up after attempt \d+, within 300 ms\)$/.test(failed.message),
      failed.message,
    );
    const wrong = await thrown(TypeError, () => new Kato({ url: "nonsense" }));
    ok(wrong.message.includes("pass one such as http://localhost:8000"));
    await thrown(NotFoundError, () => new Kato({ url: `${url}/elsewhere/` }).sessionCount());
    equal((await new Kato({ url: `${url}/` }).health()).status, "healthy");
    ok((await new Kato({ url }).metrics()).sessions);
  },

  async "a signal ends a call with its reason"({ url }) {
    const reason = new Error("the user left");
    const session = await new Kato({ url }).createSession();
    await thrown(Error, () => session.stm({ signal: AbortSignal.abort(reason) }));
    const away = new Kato({ url: "http://127.0.0.1:1" });
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    equal(
      await away.sessionCount({ signal: controller.signal }).catch((error) => error === reason),
      true,
    );
    const stopping = new AbortController();
    const found = session.subscribe({ signal: stopping.signal });
    await following(found);
    setTimeout(() => stopping.abort(reason), 50);
    equal(await found.next().catch((error) => error === reason), true);
    await session.close();
  },

  async "predictions arrive after each change until the session ends"({ url }) {
    const kato = new Kato({ url });
    const session = await kato.createSession({ user_id: newUser() });
    await session.observeSequence(LETTERS, { learn_at_end: true });
    const found = kato.session(session.id).subscribe({ limit: 1, fields: ["future"] });
    equal((await following(found)).predictions, []);
    await session.observeSequence(["a", "b"]);
    equal((await following(found)).predictions, [{ future: [["c"]] }]);
    await session.clearStm();
    equal((await following(found)).predictions, []);
    await session.delete();
    ok((await found.next()).done);
    await thrown(NotFoundError, () => following(session.subscribe()));
  },

  async "many sequences are learned with progress"({ url }) {
    const user = new Kato({ url }).user(newUser());
    const sequences: Sequence[] = [
      LETTERS,
      LETTERS,
      [["b", "a"], { strings: ["c"], emotives: { joy: 1 } }],
    ];
    sequences.push(["alone"], [["x".repeat(1025)]], ["d", "e"], []);
    for (let number = 0; number < 1500; number += 1) sequences.push([`${number}`, "ö".repeat(500)]);
    const seen: number[] = [];
    const done = await user.learn(sequences, { progress: ({ lines }) => seen.push(lines) });
    equal([done.lines, done.learned, done.repeated], [1507, 1504, 0]);
    equal([done.insufficient_data, done.errors], [2, 1]);
    equal(
      done.failures.map(({ line, code }) => [line, code]),
      [[5, "LIMIT_EXCEEDED"]],
    );
    ok(seen.length > 1 && seen.at(-1) === 1507 && Math.max(...seen) === 1507, `${seen}`);
    equal((await user.patterns({ symbols: LETTERS, min_frequency: 2 }).next()).value?.frequency, 2);
  },

  async "outcomes are given as they are taken"({ url }) {
    let taken = 0;
    let isClosed = false;
    async function* sequences() {
      try {
        for (; taken < 10_000; taken += 1) yield [["a"], [`${taken % 7}`]];
      } finally {
        isClosed = true;
      }
    }
    const user = new Kato({ url }).user(newUser());
    const lines: number[] = [];
    for await (const outcome of user.learnEach(sequences())) {
      ok(
        taken <= lines.length + 2100,
        `${taken} sequences were taken for ${lines.length} outcomes`,
      );
      equal(outcome.status, "learned");
      lines.push(outcome.line);
      if (lines.length === 1500) break;
    }
    equal(
      lines,
      Array.from({ length: 1500 }, (_, place) => place + 1),
    );
    ok(isClosed, "the source is told to end");
    ok(taken < 3000);
  },

  async "a bulk learn that is run again counts once"({ url }) {
    const user = new Kato({ url }).user(newUser());
    const sequences = [LETTERS, ["x", "y"]];
    equal((await user.learn(sequences, { unique_id: "mine" })).learned, 2);
    const again = await user.learn(sequences, { unique_id: "mine" });
    equal([again.learned, again.repeated], [0, 2]);
    equal((await new Kato({ url: "http://127.0.0.1:1" }).user("x").learn([])).lines, 0);
  },

  async "questions need no session"({ url }) {
    const user = new Kato({ url }).user(newUser());
    await user.learn([LETTERS, ["a", "b"], ["x", "y"]]);
    const { predictions } = await user.predict(["a", "b"], {
      fields: ["future"],
      config: { max_predictions: 1 },
    });
    equal(predictions, [{ future: [] }]);
    const [one, wrong] = await user.predictBatch([["a", { strings: ["b"] }], [["x".repeat(1025)]]]);
    ok(one && !(one instanceof AnswerError) && one.predictions.length === 2);
    ok(wrong instanceof AnswerError && wrong.code === "LIMIT_EXCEEDED");
    const next = await user.next(["a", "b"], { explain: true });
    equal([next.events.map((one) => one.event), next.symbols[0]?.symbol], [[["c"]], "c"]);
    equal((next.events[0]?.weight ?? 0) + next.stop.weight, 1);
    const symbols = await user.next(["a", "b"], { fields: ["symbols"] });
    equal(["events" in symbols, symbols.symbols, symbols.event_count], [false, next.symbols, 1]);
    const [same, none] = await user.nextBatch([["a", "b"], []]);
    ok(same && !(same instanceof AnswerError) && none && !(none instanceof AnswerError));
    equal([same.events, none.events], [next.events, []]);
    equal(next.explanation.left_out.no_shared_symbol, 1);
    equal((await new Kato({ url }).user(null).predict(["nothing", "known"])).predictions, []);
  },

  async "patterns are found and deleted by conditions"({ url }) {
    const user = new Kato({ url }).user(newUser());
    const begun = new Date(Date.now() - 300_000);
    await user.learn([LETTERS, LETTERS, ["a", "x"], ["y", "z"]]);
    const firsts = (await all(user.patterns({ symbols: ["a"], prefix: ["a"] }))).map(
      (one) => one.length,
    );
    equal(firsts, [3, 2]);
    const recent = user.patterns({ learned_after: begun, max_frequency: 1 }, { newestFirst: true });
    equal(
      (await all(recent)).map((one) => one.pattern_data[0]),
      [["y"], ["a"]],
    );
    equal(await user.deletePatterns({ learned_after: begun, symbols: ["a"] }, { dryRun: true }), 2);
    equal(await user.deletePatterns({ symbols: ["a"] }), 2);
    equal((await all(user.patterns())).length, 1);
    const refused = await thrown(InvalidRequestError, () => user.deletePatterns({}));
    ok(refused.message.includes("at least one condition"));
  },

  async "a user is shown and erased"({ url }) {
    const user = new Kato({ url }).user(`${newUser()}/ü?`);
    await thrown(NotFoundError, () => user.info());
    await user.learn([LETTERS]);
    const info = await user.info();
    equal([info.user_id, info.patterns, info.sessions], [user.id, 1, 0]);
    const erased = await user.erase();
    equal([erased.erased.patterns, erased.used_again], [1, false]);
    equal(await all(user.patterns()), []);
  },

  async "every error is a KatoError with a name"({ url }) {
    const failed = await thrown(KatoError, () => new Kato({ url }).session("none").stm());
    equal(`${failed}`.split(":")[0], "NotFoundError");
  },
};
