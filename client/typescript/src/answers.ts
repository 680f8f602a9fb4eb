/**
 * The answers of an instance. What the fields mean is in KATO's docs/http-api.md; they keep the
 * names that they have there.
 */

import type {
  ExplainedPrediction,
  Explanation,
  NextEvent,
  NextSymbol,
  Predicted,
  PredictBody,
  Prediction,
  PredictionExplanation,
  PredictionsResult,
  Stop,
} from "./generated.js";

type Sometimes = "metadata" | "explanation";

/** A prediction with every field that `fields` can select. */
export type FullPrediction = Required<Omit<ExplainedPrediction, Sometimes>> &
  Pick<ExplainedPrediction, Sometimes>;

/** Names for `fields`. */
export type PredictionField = Exclude<keyof FullPrediction, "explanation"> | "future_potentials";

/** Names for `fields` of what comes next. */
export type NextField = "events" | "symbols" | "stop";

type Chosen = "limit" | "offset" | "recall_threshold" | "explain" | "labels";
type Shared = { [name in Chosen]?: NonNullable<PredictBody[name]> | undefined };

/** What an answer that tells what comes next shall hold. */
export interface NextOptions extends Shared {
  /** Names of its parts, or "all", as without it. */
  fields?: readonly NextField[] | "all" | undefined;
}

/** What an answer with predictions shall hold. */
export interface AnswerOptions extends Shared {
  /** Names of fields, or "all"; without it, predictions have the usual fields. */
  fields?: readonly PredictionField[] | "all" | undefined;
}

/** Predictions with the fields that the options *O* select. */
export type PredictionOf<O> = (O extends { fields: "all" }
  ? FullPrediction
  : O extends { fields: readonly (infer F)[] }
    ? Pick<FullPrediction, F & keyof FullPrediction>
    : "fields" extends keyof O
      ? ExplainedPrediction
      : Prediction) &
  (O extends { explain: true } ? { explanation: PredictionExplanation } : unknown);

/** Options that have no other names than those of *Known*: the compiler finds misspelled ones. */
export type Only<O, Known> = O & Record<Exclude<keyof O, keyof Known>, never>;

/** No options: what is not selected is as usual. */
export type None = Record<never, never>;

type OfNext = NextField | "event_count" | "symbol_count";

/** What a short-term memory recalls, best first. */
export type Predictions<O = AnswerOptions, R = PredictionsResult> = Omit<
  R,
  OfNext | "predictions" | "explanation"
> & {
  predictions: PredictionOf<O>[];
} & Explained<O>;

/** The same without a session. */
export type Recalled<O = AnswerOptions> = Predictions<O, Predicted>;

/** What comes next, the greatest weight first. */
export type Next<O = NextOptions, R = PredictionsResult> = Omit<
  R,
  OfNext | "predictions" | "explanation" | "future_potentials"
> &
  NextPartsOf<O> & {
    /** How many different events may come next, and how many different symbols they have. */
    event_count: number;
    symbol_count: number;
  } & Explained<O>;

interface NextParts {
  events: NextEvent[];
  symbols: NextSymbol[];
  /** That nothing comes next: what was learned ends where the short-term memory ends. */
  stop: Stop;
}

type NextPartsOf<O> = O extends { fields: readonly (infer F)[] }
  ? Pick<NextParts, F & NextField>
  : O extends { fields: "all" }
    ? NextParts
    : "fields" extends keyof O
      ? Partial<NextParts>
      : NextParts;

type Explained<O> = O extends { explain: true }
  ? { explanation: Explanation }
  : { explanation?: Explanation | null };

/** The parameters of a request for such an answer. */
export function asked({ fields, ...others }: AnswerOptions | NextOptions): Record<string, unknown> {
  const names = typeof fields === "string" ? fields : fields?.join(",");
  return names === undefined ? others : { ...others, fields: names };
}
