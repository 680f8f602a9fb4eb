/** Exports and imports of knowledge: whether they are whole, and when they begin again. */

import { pause } from "./attempts.js";
import type { CallOptions } from "./connection.js";
import { AnswerError, codedError, ConnectionFailedError, type ErrorBody } from "./errors.js";
import type { ImportCounts, ImportedKnowledge, ImportSummary } from "./generated.js";

export type Pieces = AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;

/** How often a transfer begins in one call. */
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 200;
/** More than the last line of an export has. */
const LAST_BYTES = 2 ** 16;
const LINE_END = "\n".charCodeAt(0);

/** What an export takes; `timeoutMs`, 300 000, bounds the wait for each piece. */
export interface ExportOptions extends CallOptions {
  /** Whether vectors are part of it: they are, unless it is false. */
  vectors?: boolean | undefined;
}

/** What an import takes; `timeoutMs`, 300 000, bounds sending it, and the wait for each piece. */
export interface ImportOptions extends CallOptions {
  /** Drop everything that is there before; else the import is added to it. */
  replace?: boolean | undefined;
  /**
   * Names this import (up to 200 characters): under another one, the same content counts again. To
   * replace, each call has one of its own unless you name it.
   */
  unique_id?: string | undefined;
  /** Whether the vectors in it are imported: they are, unless it is false. */
  vectors?: boolean | undefined;
  /** Called about every second while it is put in. */
  progress?: ((soFar: ImportCounts) => void) | undefined;
}

/** What *act* gives. It begins again, with pauses, after an error that another attempt may avoid. */
export async function persistently<T>(
  act: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      const isOurs = error instanceof AnswerError || error instanceof ConnectionFailedError;
      if (!isOurs || !error.retryable || attempt === ATTEMPTS) throw error;
      const askedMs = error instanceof AnswerError ? (error.retryAfterMs ?? 0) : 0;
      await pause(askedMs + FIRST_PAUSE_MS * 2 ** attempt, signal);
    }
  }
}

/** The export that begins with *first* and goes on with *others*; it fails unless it is whole. */
export function exportStream(
  first: Uint8Array<ArrayBuffer>,
  others: Pieces,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let last = tail(new Uint8Array(), first);
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start: (controller) => controller.enqueue(first),
      async pull(controller) {
        const { value, done } = await others.next();
        if (done) {
          checkEnd(last);
          controller.close();
        } else {
          last = tail(last, value);
          controller.enqueue(value);
        }
      },
      async cancel() {
        await others.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The last bytes of *before* and *piece*. */
function tail(before: Uint8Array, piece: Uint8Array): Uint8Array {
  if (piece.length >= LAST_BYTES) return piece.slice(-LAST_BYTES);
  const kept = before.slice(-(LAST_BYTES - piece.length));
  const both = new Uint8Array(kept.length + piece.length);
  both.set(kept);
  both.set(piece, kept.length);
  return both;
}

/** Throws KatoError unless the last line is that of a whole export. */
function checkEnd(last: Uint8Array): void {
  const begin = last.lastIndexOf(LINE_END, -2) + 1;
  const line = new TextDecoder().decode(last.subarray(begin));
  let found: { sha256?: string; error?: ErrorBody } = {};
  try {
    found = JSON.parse(line);
  } catch {
    // It was cut off in the middle of a line.
  }
  if (found.error) throw codedError(found.error);
  if (!line.endsWith("\n") || typeof found.sha256 !== "string") {
    throw new ConnectionFailedError("the export was cut off: export again");
  }
}

/** How the content of *knowledge* is encoded. */
export async function encodingOf(knowledge: Blob): Promise<"gzip" | undefined> {
  const [first, second] = new Uint8Array(await knowledge.slice(0, 2).arrayBuffer());
  return first === 0x1f && second === 0x8b ? "gzip" : undefined;
}

/** What became of an import whose answer has these *pieces*; throws KatoError if it is not in. */
export async function outcomeOf(
  pieces: Pieces,
  progress: ImportOptions["progress"],
): Promise<ImportCounts> {
  const decoder = new TextDecoder();
  let begun = "";
  let summary: ImportSummary | undefined;
  for await (const piece of pieces) {
    const lines = (begun + decoder.decode(piece, { stream: true })).split("\n");
    begun = lines.pop() ?? "";
    for (const line of lines) {
      const found: ImportedKnowledge = JSON.parse(line);
      if (found.progress) progress?.(found.progress);
      summary = found.summary ?? summary;
    }
  }
  if (summary?.error) throw codedError(summary.error);
  if (!summary?.complete) {
    const fix = "import the same again, and it continues";
    throw new ConnectionFailedError(`the import was cut off: ${fix}`);
  }
  const { error: _, complete: __, ...counts } = summary;
  return counts;
}
