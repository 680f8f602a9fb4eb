// What a compiler accepts and refuses; it is compiled and never runs.
import { AnswerError, Kato, type AnswerOptions, type Event, type Predictions } from "kato-client";

const kato = new Kato({ url: "http://localhost:8000", token: async () => "t", timeoutMs: 1000 });
new Kato({ url: new URL("http://localhost"), apiKey: undefined });
// @ts-expect-error: there is no instance without an address
new Kato({ apiKey: "k" });
// @ts-expect-error: seconds would be taken for milliseconds
new Kato({ url: "http://localhost", timeout: 60 });

export async function accepted(signal: AbortSignal, dynamic: AnswerOptions): Promise<unknown[]> {
  await using session = await kato.createSession({
    user_id: "u",
    config: { stm_mode: "ROLLING" },
    signal,
  });
  const events: Event[] = [
    "a",
    ["b", "c"],
    { strings: ["d"], emotives: { joy: 1 }, vectors: [[1, 2]] },
  ];
  const done = await session.observeSequence(events, {
    learn_at_end: true,
    unique_id: "mine",
    timeoutMs: 10,
  });
  const usual = await session.predictions({ limit: 3, signal });
  const potential: number | undefined = usual.predictions[0]?.potential;
  const three = (await session.predictions({ limit: 3, explain: true })).predictions;
  const sure: number[] = three.map((one) => one.potential + one.explanation.potential);
  const some = await session.predictions({ fields: ["future", "tfidf_score"] });
  const score: number | undefined = some.predictions[0]?.tfidf_score;
  const full = await session.predictions({ fields: "all", explain: true });
  const blocks = full.predictions[0]?.explanation.blocks;
  const unknown: Predictions = await session.predictions(dynamic);
  const maybe: number | undefined = unknown.predictions[0]?.potential;
  const weight: number = (await session.next({ explain: true })).stop.weight;
  const { symbols } = await session.next({ fields: ["symbols", "stop"] });
  const symbol: string | undefined = symbols[0]?.symbol;
  for await (const { predictions } of session.subscribe({ fields: ["future"] })) {
    const future: string[][] | undefined = predictions[0]?.future;
    return [future];
  }
  const [first] = await kato.user("u").predictBatch([["a"]], { fields: ["potential"] });
  const answer = first instanceof AnswerError ? first.code : first?.predictions[0]?.potential;
  return [done.final_learned_pattern, potential, sure, score, blocks, maybe, weight, symbol, answer];
}

export async function refused(dynamic: AnswerOptions): Promise<void> {
  // @ts-expect-error: a genes' name is wrong
  await kato.createSession({ config: { recall_treshold: 0.5 } });
  // @ts-expect-error: a value that it does not have
  await kato.createSession({ config: { stm_mode: "SLIDING" } });
  const session = kato.session("id");
  // @ts-expect-error: one string is no sequence of events
  await session.observeSequence("hello");
  // @ts-expect-error: a number is no symbol
  await session.observe(7);
  // @ts-expect-error: an observation has no such field
  await session.observe({ string: ["a"] });
  // @ts-expect-error: fields keep the names of the API
  await session.observeSequence(["a"], { learnAtEnd: true });
  // @ts-expect-error: there is no such field
  await session.predictions({ fields: ["futures"] });
  // @ts-expect-error: there is no such option, next to one that there is
  await session.predictions({ limit: 1, recallThreshold: 0.5 });
  // @ts-expect-error: nor here
  await kato.user("u").predict(["a"], { limit: 1, user_id: "v" });
  const some = await session.predictions({ fields: ["future"] });
  // @ts-expect-error: it was not selected
  some.predictions[0]?.potential;
  const usual = await session.predictions();
  // @ts-expect-error: it is computed only where fields ask for it
  usual.predictions[0]?.tfidf_score;
  // @ts-expect-error: it is there only with explain
  usual.predictions[0]?.explanation;
  const unknown = await session.predictions(dynamic);
  // @ts-expect-error: nobody knows whether it was selected
  unknown.predictions[0]?.potential.toFixed();
  // @ts-expect-error: what comes next has no predictions
  (await session.next()).predictions;
  // @ts-expect-error: it was not selected
  (await session.next({ fields: ["symbols"] })).events;
  // @ts-expect-error: a part that it does not have
  await session.next({ fields: ["future"] });
  // @ts-expect-error: conditions have these names alone
  await kato.user("u").deletePatterns({ symbol: ["a"] });
  // @ts-expect-error: a sequence is a list of events
  await kato.user("u").learn(["hello"]);
}
