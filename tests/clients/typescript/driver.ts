// Runs each line of its input, a script as a JSON string, and writes what it gives as JSON.
import { createInterface } from "node:readline";

import * as faults from "./faults.js";

Object.assign(globalThis, { faults });
const run = globalThis.eval;
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ value: (await run(JSON.parse(line))) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: `${error instanceof Error ? error.stack : error}` }));
  }
}
