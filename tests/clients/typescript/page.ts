// What a page needs for the suite and for faults; the tests call it through DevTools.
import * as faults from "./faults.js";
import { cases, type World } from "./suite.js";

/** What failed, by the promise that breaks, and how many were checked. */
async function suite(world: World): Promise<{ failed: Record<string, string>; count: number }> {
  const failed: Record<string, string> = {};
  for (const [promise, check] of Object.entries(cases)) {
    await check(world).catch((error) => {
      failed[promise] = `${error instanceof Error ? error.stack : error}`;
    });
  }
  return { failed, count: Object.keys(cases).length };
}

Object.assign(globalThis, { faults, suite });
