// Runs the suite with node:test: `node.js URL URL_WITH_KEY KEY`.
import { test } from "node:test";

import { cases } from "./suite.js";

const [url, keyedUrl, key] = process.argv.slice(2) as [string, string, string];
for (const [promise, check] of Object.entries(cases)) {
  test(promise, { timeout: 120_000 }, () => check({ url, keyedUrl, key }));
}
