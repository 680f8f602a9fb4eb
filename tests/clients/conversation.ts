// A conversation through generated TypeScript clients: `conversation.js URL KEY`.
// Compiled next to `current` and `older`, which are generated from the two documents.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import * as current from "./current";
import { client as currentClient } from "./current/client.gen";
import * as older from "./older";
import { client as olderClient } from "./older/client.gen";

function sure<T>(answer: { data?: T; error?: unknown }): T {
  assert.equal(answer.error, undefined);
  assert.ok(answer.data !== undefined);
  return answer.data;
}

async function converse(baseUrl: string, key: string): Promise<void> {
  currentClient.setConfig({ baseUrl, auth: key });
  const user_id = randomUUID();
  assert.equal(sure(await current.getReadiness()).status, "ready");
  const { session_id } = sure(await current.createSession({ body: { user_id } }));
  const path = { session_id };
  for (const word of ["hello", "world", "again"]) {
    const body = { strings: [word], emotives: { joy: 0.5 }, unique_id: word };
    const observed = sure(await current.observe({ path, body }));
    assert.deepEqual(observed.symbols, [word]);
  }
  const learned = sure(await current.learn({ path }));
  assert.equal(learned.frequency, 1);
  const observations = [{ strings: ["hello"] }, { strings: ["world"] }];
  const done = sure(await current.observeSequence({ path, body: { observations } }));
  assert.equal(done.observations_processed, 2);
  assert.deepEqual(sure(await current.getStm({ path })).stm, [["hello"], ["world"]]);
  const found = sure(await current.getPredictions({ path, query: { limit: 1 } }));
  assert.ok(found.predictions); // not so with view=next
  assert.deepEqual(found.predictions[0].future, [["again"]]);
  assert.equal(found.predictions[0].pattern_name, learned.pattern_name);
  const config = { recall_threshold: 0.9, max_predictions: null };
  sure(await current.setConfig({ path, body: { config } }));
  assert.equal(sure(await current.getSession({ path })).config.recall_threshold, 0.9);
  const name = learned.pattern_name;
  sure(await current.updatePattern({ path: { session_id, name }, body: { frequency: 5 } }));
  const { patterns } = sure(await current.listPatterns({ path }));
  assert.deepEqual(patterns.map((one) => one.frequency), [5]);
  assert.equal(sure(await current.listSessions({ query: { user_id } })).sessions.length, 1);
  sure(await current.deleteSession({ path }));
  const { error, response } = await current.getSession({ path });
  assert.equal(response?.status, 404);
  assert.equal(error?.error.code, "SESSION_NOT_FOUND");
  assert.equal(error?.error.retryable, false);
  const refused = await current.listSessions({ auth: "wrong" });
  assert.equal(refused.error?.error.code, "UNAUTHORIZED");
}

async function converseAsBefore(baseUrl: string, key: string): Promise<void> {
  olderClient.setConfig({ baseUrl, auth: key });
  const headers = { "X-User-ID": randomUUID() };
  for (const word of ["hello", "world", "again", "hello", "world"]) {
    sure(await older.postV1Observe({ headers, body: { strings: [word] } }));
    if (word === "again") sure(await older.postV1Learn({ headers }));
  }
  const found = sure(await older.getV1Predictions({ headers }));
  assert.deepEqual(found.predictions[0].future, [["again"]]);
  const body = { node_id: headers["X-User-ID"] };
  assert.equal(sure(await older.postSessions({ body })).node_id, body.node_id);
}

const [url, key] = process.argv.slice(2);
converse(url, key)
  .then(() => converseAsBefore(url, key))
  .then(() => console.log("done"));
