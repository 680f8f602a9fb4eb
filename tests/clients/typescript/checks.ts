// What the suite checks with, where node:assert does not exist.
/** A user that nothing else has. */
export function newUser(): string {
  return `user-${Date.now()}-${Math.random()}`;
}

export function equal(found: unknown, expected: unknown): void {
  const [one, other] = [found, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${one} is not ${other}`);
}

export function ok(found: unknown, what = "the condition"): asserts found {
  if (!found) throw new Error(`${what} does not hold`);
}

/** What *act* throws, which has to be one of these errors. */
export async function thrown<E>(
  kind: abstract new (...given: never[]) => E,
  act: () => unknown,
): Promise<E> {
  let found: unknown;
  try {
    await act();
  } catch (error) {
    found = error;
  }
  if (found instanceof kind) return found;
  throw new Error(`expected ${kind.name}, not ${found}`);
}

export async function all<T>(found: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of found) items.push(item);
  return items;
}

export async function following<T>(found: AsyncIterator<T>): Promise<T> {
  const { value, done } = await found.next();
  if (done) throw new Error("nothing follows");
  return value;
}
