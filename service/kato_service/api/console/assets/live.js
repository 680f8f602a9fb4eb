// Follows one session over a WebSocket: what is predicted after each change, by whomever.

import {BASE, key} from "./api.js";

const LONGEST_PAUSE_MS = 10_000;
const PATIENCE_MS = 20_000;

/** The sub-protocols: a page cannot set headers of a WebSocket, and a key is never in an address. */
function protocols() {
  const secret = key();
  if (!secret) return ["kato"];
  const coded = btoa(secret).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return ["kato", `kato.key.${coded}`];
}

export class Live {
  #socket = null;
  #session = "";
  #asked = {};
  #pause = 500;
  #timer = 0;
  #beat = 0;

  /** *hear* gets (name, payload), *state* "live", "connecting" or "ended", *refuse* (name, error). */
  constructor({hear, state, refuse}) {
    this.hear = hear;
    this.state = state;
    this.refuse = refuse;
  }

  /** Follow *session*; *asked* holds, by name, what each subscription asks for. */
  follow(session, asked) {
    this.stop();
    this.#session = session;
    this.#asked = asked;
    this.#pause = 500;
    this.#open();
  }

  stop() {
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    const socket = this.#socket;
    this.#socket = null;
    this.#session = "";
    socket?.close();
  }

  #open() {
    const url = new URL(`v2/sessions/${encodeURIComponent(this.#session)}/ws`, BASE);
    url.protocol = url.protocol.replace("http", "ws");
    this.state("connecting");
    const socket = this.#socket = new WebSocket(url, protocols());
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = message => socket === this.#socket && this.#heard(JSON.parse(message.data));
    socket.onclose = event => socket === this.#socket && this.#closed(event.code);
  }

  #opened(socket) {
    if (socket !== this.#socket) return;
    this.#pause = 500;
    for (const [name, payload] of Object.entries(this.#asked)) {
      socket.send(JSON.stringify({type: "subscribe", id: name, payload}));
    }
    // A ping now and then keeps the connection through proxies that close idle ones.
    clearInterval(this.#beat);
    this.#beat = setInterval(() => socket.send('{"type": "ping"}'), PATIENCE_MS);
  }

  #heard(frame) {
    if (frame.type === "subscribed" || frame.type === "predictions") {
      this.state("live");
      this.hear(frame.id, frame.payload);
    } else if (frame.type === "session_ended") {
      this.stop();
      this.state("ended");
    } else if (frame.type === "error") this.refuse(frame.id, {...frame.error, retryAfter: frame.retry_after_s});
  }

  #closed(code) {
    clearInterval(this.#beat);
    this.state("connecting");
    if (code === 1008) return this.refuse(null, {code: "UNAUTHORIZED", message: "The key is not valid any more."});
    this.#timer = setTimeout(() => this.#open(), this.#pause * (0.5 + Math.random()));
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
