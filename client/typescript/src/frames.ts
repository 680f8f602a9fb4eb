/** What the frames of a subscription say. */

import { codedError, type ErrorBody } from "./errors.js";

/** Predictions, that the session ended, or nothing. */
export interface Said {
  readonly found?: object;
  readonly isEnd?: boolean;
}

interface Frame {
  type: string;
  payload?: object;
  error?: ErrorBody;
  subscription?: number;
  retry_after_s?: number;
}

/** Throws AnswerError if the frame is an error that does not pass by itself. */
export function readFrame(text: string): Said {
  const frame = JSON.parse(text) as Frame;
  if (frame.type === "session_ended") return { isEnd: true };
  if (frame.type === "error") {
    const seconds = frame.retry_after_s;
    const error = codedError(frame.error ?? {}, seconds === undefined ? seconds : seconds * 1000);
    // The service predicts again by itself, and sends that.
    if (error.retryable && frame.subscription !== undefined) return {};
    throw error;
  }
  const isFound = frame.type === "subscribed" || frame.type === "predictions";
  return isFound && frame.payload ? { found: frame.payload } : {};
}
