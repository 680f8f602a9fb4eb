// Parts of the client that send nothing, and calls that wait, with node:test.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { test } from "node:test";

import {
  ConnectionFailedError,
  Kato,
  KatoError,
  NotFoundError,
  UnavailableError,
} from "kato-client";

import { Attempts } from "./node_modules/kato-client/built/attempts.js";
import { answerError } from "./node_modules/kato-client/built/errors.js";
import { contentOf, NDJSON, once } from "./node_modules/kato-client/built/operations.js";
import { Connection } from "./node_modules/kato-client/built/connection.js";
import { readFrame } from "./node_modules/kato-client/built/frames.js";
import { Socket } from "./node_modules/kato-client/built/socket.js";

/** Attempts with the longest pauses that chance allows, and the clock that they read. */
function attempts(limitMs = 60_000, attemptMs = 40_000) {
  const clock = { now: 0 };
  return {
    clock,
    series: new Attempts(
      limitMs,
      attemptMs,
      () => clock.now,
      () => 1,
    ),
  };
}

function refused(status: number, code: string, retryable: boolean, afterMs?: number) {
  return answerError({ code, retryable }, status, afterMs);
}

test("pauses grow to a ceiling and end with the limit", () => {
  const { clock, series } = attempts();
  const error = new ConnectionFailedError("cut off");
  const pauses: number[] = [];
  for (let ms; (ms = series.pauseMs(error)) !== undefined; clock.now += ms) pauses.push(ms);
  assert.deepEqual(pauses.slice(0, 7), [200, 400, 800, 1600, 3200, 5000, 5000]);
  assert.ok(clock.now >= 55_000 && clock.now < 60_000);
  assert.equal(
    error.message,
    `cut off (gave up after attempt ${pauses.length + 1}, within 60000 ms)`,
  );
});

test("an attempt never waits beyond the limit", () => {
  const { clock, series } = attempts();
  assert.equal(series.leftMs, 40_000);
  clock.now = 59_000;
  assert.deepEqual([series.leftMs, series.isOver], [1000, false]);
  clock.now = 61_000;
  assert.ok(series.isOver && series.leftMs > 0);
});

test("what the instance asks for is the least pause", () => {
  assert.equal(attempts().series.pauseMs(refused(503, "OVERLOADED", true, 2000)), 2200);
  assert.equal(
    attempts().series.pauseMs(refused(429, "SESSION_LIMIT_EXCEEDED", true, 3e6)),
    undefined,
  );
});

test("what lasts is not repeated", () => {
  const lasting = [
    refused(422, "VALIDATION_ERROR", false),
    refused(504, "MATCHING_BUDGET_EXCEEDED", false),
    new ConnectionFailedError("no trust", { retryable: false }),
    new TypeError("a mistake in a program"),
  ];
  for (const error of lasting) assert.equal(attempts().series.pauseMs(error), undefined);
});

test("refusals of proxies are repeated", () => {
  for (const status of [408, 429, 502, 503, 504]) {
    assert.notEqual(attempts().series.pauseMs(answerError({}, status)), undefined);
  }
});

test("what a lost delete deleted is gone, and nothing else is", () => {
  const gone = refused(404, "SESSION_NOT_FOUND", false);
  const { series } = attempts();
  assert.ok(!series.wasDone("DELETE", gone));
  series.pauseMs(new ConnectionFailedError("cut off"));
  assert.ok(series.wasDone("DELETE", gone));
  assert.ok(!series.wasDone("GET", gone));
  assert.ok(!series.wasDone("DELETE", refused(403, "FORBIDDEN", false)));
  const turnedAway = attempts().series;
  turnedAway.pauseMs(refused(429, "RATE_LIMITED", true, 1000));
  assert.ok(!turnedAway.wasDone("DELETE", gone));
});

test("every change has an id of its own", () => {
  const [one, other] = [once("/x", undefined), once("/x", undefined)];
  assert.notDeepEqual(one.body, other.body);
  assert.deepEqual(once("/x", "mine", { a: 1 }).body, { a: 1, unique_id: "mine" });
});

function answered(status: number, text: string, headers: Record<string, string> = {}) {
  return contentOf({ status, text, headers: new Headers(headers) });
}

test("answers of others are refused", () => {
  for (const [status, text] of [
    [200, "<html>"],
    [200, "[]"],
    [302, "{}"],
    [0, ""],
    [204, ""],
  ] as const) {
    assert.throws(() => answered(status, text), /is this the address of an instance/);
  }
});

test("an error keeps everything of the envelope", () => {
  const error = {
    code: "RATE_LIMITED",
    message: "too fast",
    retryable: true,
    request_id: "r",
    details: [{ n: 2 }],
  };
  assert.throws(() => answered(429, JSON.stringify({ error }), { "Retry-After": "2" }), {
    name: "LimitReachedError",
    message: "too fast (RATE_LIMITED): send less often; retryAfterMs says when to try again",
    status: 429,
    code: "RATE_LIMITED",
    details: [{ n: 2 }],
    requestId: "r",
    retryAfterMs: 2000,
    retryable: true,
    fix: "send less often; retryAfterMs says when to try again",
  });
});

test("outcomes that end early are asked for again", () => {
  const line = '{"line":1,"status":"learned"}\n';
  const summary = { summary: { lines: 1, complete: true, error: null } };
  const whole = line + JSON.stringify(summary);
  const headers = { "content-type": `${NDJSON}; charset=utf-8` };
  assert.equal(Object.keys(answered(200, whole, headers)).join(), "results,summary");
  for (const text of ["", line, whole.slice(0, -9)]) {
    assert.throws(() => answered(200, text, headers), {
      retryable: true,
      name: "UnavailableError",
    });
  }
  const error = { code: "OVERLOADED", message: "m", retryable: true, details: [] };
  const ended = JSON.stringify({ summary: { lines: 0, complete: false, error } });
  assert.throws(() => answered(200, ended, headers), { code: "OVERLOADED" });
  const failed = JSON.stringify({ line: 1, status: "error", error });
  assert.throws(() => answered(200, `${failed}\n${JSON.stringify(summary)}`, headers), {
    code: "OVERLOADED",
  });
});

test("an error of a subscription that passes is none and one that lasts is thrown", () => {
  const passing = { code: "STORE_UNAVAILABLE", message: "m", retryable: true };
  const frame = { type: "error", error: passing, retry_after_s: 2 };
  assert.deepEqual(readFrame(JSON.stringify({ ...frame, subscription: 1 })), {});
  assert.throws(
    () => readFrame(JSON.stringify(frame)),
    (error) => {
      return error instanceof UnavailableError && error.retryable && error.retryAfterMs === 2000;
    },
  );
  const gone = { code: "SESSION_NOT_FOUND", message: "m", retryable: false };
  const lasting = JSON.stringify({ type: "error", error: gone, subscription: 1 });
  assert.throws(() => readFrame(lasting), NotFoundError);
  assert.deepEqual(readFrame('{"type":"pong"}'), {});
});

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

for (const isSilent of [true, false]) {
  test(`a call to ${isSilent ? "a silent" : "an endless"} server ends within its limit`, async () => {
    const server = createServer((_, answer) => {
      if (isSilent) return;
      const timer = setInterval(() => answer.write(" "), 20);
      answer.on("close", () => clearInterval(timer));
    });
    const kato = new Kato({ url: await listening(server), timeoutMs: 500 });
    const began = performance.now();
    await assert.rejects(kato.sessionCount(), (error) => {
      return (
        error instanceof ConnectionFailedError &&
        error.message.endsWith("(gave up after attempt 1, within 500 ms)")
      );
    });
    assert.ok(performance.now() - began < 10_000);
    server.closeAllConnections();
    server.close();
  });
}

test("a socket that gives no sign of life is broken", async () => {
  const server = createServer().on("upgrade", (request, socket) => {
    const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accepted = createHash("sha1").update(key).digest("base64");
    const lines = [
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accepted}`,
    ];
    const head = ["HTTP/1.1 101 Switching Protocols", ...lines, "Sec-WebSocket-Protocol: kato"];
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    socket.on("data", () => heard.push(socket));
  });
  const heard: Duplex[] = [];
  const connection = new Connection({ url: await listening(server) });
  const socket = new Socket(connection, "/", undefined, undefined, 50);
  assert.ok(await socket.opens(10_000));
  await assert.rejects(socket.frames().next(), /no sign of life.*check the address/);
  assert.ok(heard[0]);
  socket.close();
  heard[0].destroy();
  server.close();
});

test("a redirect is not followed, so that a key goes nowhere else", async () => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, answer) => {
    asked.push(request.url);
    answer.writeHead(307, { location: "/elsewhere" }).end();
  });
  const kato = new Kato({ url: await listening(server), apiKey: "a-key", timeoutMs: 2000 });
  await assert.rejects(kato.sessionCount(), /is this the address of an instance/);
  assert.deepEqual(asked, ["/v2/sessions/count"]);
  server.closeAllConnections();
  server.close();
});

test("a subscription without a WebSocket says what to do", async () => {
  const given = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  Reflect.deleteProperty(globalThis, "WebSocket");
  try {
    const session = new Kato({ url: "http://127.0.0.1:1" }).session("x");
    await assert.rejects(
      session.subscribe().next(),
      /this runtime has no WebSocket: use Node.js 22, or pass one/,
    );
  } finally {
    if (given) Object.defineProperty(globalThis, "WebSocket", given);
  }
});

test("every kind of error is a KatoError", () => {
  for (const status of [400, 401, 403, 404, 405, 408, 413, 415, 418, 422, 429, 500, 503]) {
    assert.ok(answerError({}, status) instanceof KatoError);
  }
});
