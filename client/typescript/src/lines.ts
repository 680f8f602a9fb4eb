/** Many sequences as the lines of bulk learns, and what became of them. */

import type { LearnAnswer, LineError, LineOutcome } from "./generated.js";
import { observationsOf, type Sequence } from "./observations.js";

/** What one request holds: its answer arrives within seconds, so that progress is seen. */
const PART_LINES = 1000;
const PART_BYTES = 2 ** 20;
const MAX_FAILURES = 1000;

/** Sequences to learn; they are taken as they are sent, so there may be any number of them. */
export type Sequences = Iterable<Sequence> | AsyncIterable<Sequence>;

/** What became of many sequences so far. */
export interface BulkLearned {
  /** Sequences that were learned, were too short, or failed. */
  lines: number;
  learned: number;
  /** Those that were learned before, by an earlier attempt or run with the same `unique_id`. */
  repeated: number;
  /** Those with less than two symbols. */
  insufficient_data: number;
  /** Those that failed for good. */
  errors: number;
  /** Why they did: the first 1000 of them. */
  failures: LineFailure[];
}

/** Why a sequence was not learned, and never will be as it is; `line` is its number, from 1. */
export type LineFailure = LineError & { line: number };

/** Lines of *sequences*, as many as one request holds. Each has an id from *uniqueId*. */
export async function* partsOf(
  sequences: Sequences,
  user: string | null,
  uniqueId: string,
): AsyncGenerator<string, void, void> {
  const encoder = new TextEncoder();
  let part: string[] = [];
  let bytes = 0;
  let number = 0;
  for await (const events of sequences) {
    number += 1;
    const line = lineOf(events, user, `${uniqueId}-${number}`);
    const size = encoder.encode(line).length;
    if (part.length && (part.length >= PART_LINES || bytes + size > PART_BYTES)) {
      yield part.join("");
      part = [];
      bytes = 0;
    }
    part.push(line);
    bytes += size;
  }
  if (part.length) yield part.join("");
}

function lineOf(events: Sequence, user: string | null, uniqueId: string): string {
  const observations = observationsOf(events);
  const isPlain = observations.every((one) => Object.keys(one).join() === "strings");
  const content = isPlain ? { events: observations.map((one) => one.strings) } : { observations };
  const whose = user === null ? {} : { user_id: user };
  return `${JSON.stringify({ unique_id: uniqueId, ...whose, ...content })}\n`;
}

/** What became of all sequences so far. */
export class Tally {
  readonly #soFar: BulkLearned = {
    lines: 0,
    learned: 0,
    repeated: 0,
    insufficient_data: 0,
    errors: 0,
    failures: [],
  };

  /** Count the outcomes of one more request, which is complete; its outcomes by their numbers. */
  add({ results, summary }: LearnAnswer): LineOutcome[] {
    const before = this.#soFar.lines;
    const outcomes = results.map((one) => ({ ...one, line: before + one.line }));
    for (const name of ["lines", "learned", "repeated", "insufficient_data", "errors"] as const) {
      this.#soFar[name] += summary[name];
    }
    const failed = outcomes.flatMap(({ error, line }) => (error ? [{ ...error, line }] : []));
    this.#soFar.failures.push(...failed.slice(0, MAX_FAILURES - this.#soFar.failures.length));
    return outcomes;
  }

  get soFar(): BulkLearned {
    return { ...this.#soFar, failures: [...this.#soFar.failures] };
  }
}
