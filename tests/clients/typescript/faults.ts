// Conversations that last until they are told to stop, while connections and processes break.
import { Kato, type KatoOptions, type Predictions } from "kato-client";

import { all, equal } from "./checks.js";

const FEWEST_ROUNDS = 8;
let isStopping = false;
let isTalking = false;
let talking: Promise<number> = Promise.resolve(0);
let found: AsyncIterator<Predictions> | undefined;

/** Begin to observe, learn and clear, and to compare the short-term memory. */
export function begin(options: KatoOptions, user_id: string): void {
  isStopping = false;
  isTalking = true;
  talking = converse(options, user_id).finally(() => (isTalking = false));
  talking.catch(() => {}); // `ended` throws it
}

/** Whether the conversation goes on: it ends by itself only if it fails. */
export function talks(): boolean {
  return isTalking;
}

/** How many rounds it was. */
export function ended(): Promise<number> {
  isStopping = true;
  return talking;
}

async function converse(options: KatoOptions, user_id: string): Promise<number> {
  const session = await new Kato(options).createSession({ user_id });
  let rounds = 0;
  for (; rounds < FEWEST_ROUNDS || !isStopping; rounds += 1) {
    await session.observe({ strings: ["a", "b"], emotives: { joy: 1 } });
    await session.observeSequence(["c", `${rounds}`]);
    await session.learn();
    await session.observeSequence([["a"], ["b"]], { learn_at_end: true });
    await session.observe("left");
    equal(await session.stm(), [["left"]]);
    await session.clearStm();
    equal(await session.stm(), []);
  }
  await session.close();
  return rounds;
}

/** Learn *count* sequences; gives what became of them and how many outcomes were given. */
export async function learnMany(
  options: KatoOptions,
  user_id: string,
  count: number,
): Promise<number[]> {
  const sequences = Array.from({ length: count }, (_, number) => ["a", `${number}`]);
  const outcomes = await all(new Kato(options).user(user_id).learnEach(sequences));
  const lines = new Set(outcomes.map(({ line, status }) => `${status} ${line}`));
  return [outcomes.length, lines.size];
}

/** Delete a pattern and a session; gives whether the session is there. */
export async function deleteOnce(options: KatoOptions, user_id: string): Promise<boolean> {
  const session = await new Kato(options).createSession({ user_id });
  const learned = await session.observeSequence(["a", "b"], { learn_at_end: true });
  await session.deletePattern(learned.final_learned_pattern);
  await session.delete();
  return session.exists();
}

export function subscribe(options: KatoOptions, id: string): void {
  found = new Kato(options).session(id).subscribe();
}

/** The futures of the predictions that follow, or null at the end. */
export async function following(): Promise<string[][][] | null> {
  const next = await found?.next();
  return next && !next.done ? next.value.predictions.map(({ future }) => future ?? []) : null;
}
