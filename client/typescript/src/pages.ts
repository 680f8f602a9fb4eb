/** Lists that arrive in pages. */

import type { CallOptions, Connection } from "./connection.js";
import { get, type Query } from "./operations.js";

const PAGE = 500;

type Page<N extends string, T> = Record<N, T[]> & { next_cursor: string | null };

/** All items of the list *name*; each page is asked for when the one before it is used up. */
export async function* items<N extends string, T>(
  connection: Connection,
  path: string,
  name: N,
  query: Query,
  options: CallOptions,
): AsyncGenerator<T, void, void> {
  let cursor: string | null = null;
  do {
    const asked = get(path, { ...query, limit: PAGE, cursor });
    const page: Page<N, T> = await connection.call(asked, options);
    yield* page[name];
    cursor = page.next_cursor;
  } while (cursor !== null);
}
