/** Client of KATO, a deterministic pattern memory for AI systems. */

export type {
  AnswerOptions,
  FullPrediction,
  Next,
  NextField,
  NextOptions,
  PredictionField,
  PredictionOf,
  Predictions,
  Recalled,
} from "./answers.js";
export type { CallOptions, KatoOptions, Token } from "./connection.js";
export {
  AnswerError,
  ConnectionFailedError,
  type ErrorDetail,
  ForbiddenError,
  InvalidRequestError,
  KatoError,
  LimitReachedError,
  NotFoundError,
  UnauthorizedError,
  UnavailableError,
} from "./errors.js";
export type { PatternFilter } from "./filters.js";
export type {
  Configuration,
  Explanation,
  GeneOverrides,
  Genes,
  GrowthInterval,
  Health,
  ImportCounts,
  LearnResult,
  LineError,
  LineOutcome,
  ListedUser,
  MetricsFigures,
  NearVector,
  NextEvent,
  NextSymbol,
  ObservationResult,
  Pattern,
  PatternBody,
  PatternsGrowth as Growth,
  Prediction,
  PredictionExplanation,
  SequenceResult,
  Session as SessionInfo,
  Stop,
  User as UserInfo,
  UserErased,
} from "./generated.js";
export { Kato, type SessionOptions } from "./kato.js";
export type { BulkLearned, LineFailure, Sequences } from "./lines.js";
export type { Event, Observation, Sequence } from "./observations.js";
export type { ChangeOptions, Session } from "./session.js";
export type { ExportOptions, ImportOptions } from "./transfers.js";
export type { LearnOptions, QuestionOptions, User } from "./user.js";
