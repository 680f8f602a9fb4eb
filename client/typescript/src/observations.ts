/** What is sent: events, with vectors, emotives and metadata where there are any. */

import type { ObservationItem } from "./generated.js";

/** An event that is more than strings. */
export type Observation = Readonly<ObservationItem>;

/** A string, strings that belong together, or an {@link Observation}. */
export type Event = string | readonly string[] | Observation;

/** Events, oldest first. */
export type Sequence = readonly Event[];

export function observationOf(event: Event): Observation {
  if (typeof event === "string") return { strings: [event] };
  return isStrings(event) ? { strings: [...event] } : event;
}

/**
 * The JSON of *events*.
 *
 * Throws TypeError if it is one string, whose characters would be taken for events.
 */
export function observationsOf(events: Sequence): Observation[] {
  if (!Array.isArray(events)) {
    const example = '["hello", "world"]';
    throw new TypeError(`pass an array of events, for example ${example}, not a ${typeof events}`);
  }
  return Array.from(events as Sequence, observationOf);
}

export function isStrings(event: Event): event is readonly string[] {
  return Array.isArray(event);
}
