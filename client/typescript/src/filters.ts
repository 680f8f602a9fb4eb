/** Conditions that patterns have to meet. */

import type { DeletePatternsBody } from "./generated.js";
import { isStrings } from "./observations.js";

type Conditions = Omit<DeletePatternsBody, "dry_run" | "limit" | "cursor" | "prefix" | Times>;
type Times = "learned_after" | "learned_before" | "first_learned_after" | "first_learned_before";

/** All conditions that are given have to be met. */
export type PatternFilter = Conditions & {
  /** The pattern begins with these events; of the last one, its first symbols are enough. */
  prefix?: readonly (string | readonly string[])[] | undefined;
} & {
  /** A time: RFC 3339, or a Date. It reaches as far back as the log of the instance. */
  [name in Times]?: string | Date | undefined;
};

/** The JSON of the conditions; a Date becomes text when it is sent. */
export function conditions({ prefix, ...others }: PatternFilter): Record<string, unknown> {
  const events = prefix?.map((event) => (isStrings(event) ? event : [event]));
  return { ...others, prefix: events };
}
