// A connection to the gateway that comes back by itself.
//
//   stopped --start--> connecting --first count--> live
//   connecting, live --close, error, no answer--> waiting --delay, online, visible--> connecting
//   any --stop--> stopped
import { reconnectDelayMs } from "./backoff.mjs";

const ANSWER_MS = 10_000; // to the first count

// {count} of a frame about the auction, else null.
function readFrame(text, auction) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return null;
  }
  const ours = frame?.event === "viewerCountUpdate" && frame.auction === auction;
  return ours && Number.isSafeInteger(frame.count) && frame.count >= 0 ? { count: frame.count } : null;
}

export class ViewerSocket {
  #auction; #findUrl; #onCount; #onState;
  #state = "stopped";
  #socket = null;
  #attempt = 0; // since the last count
  #timer = 0;

  // findUrl() resolves to the gateway's address; onCount(count), onState(state) are told of changes.
  constructor({ auction, findUrl, onCount, onState }) {
    this.#auction = auction;
    this.#findUrl = findUrl;
    this.#onCount = onCount;
    this.#onState = onState;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.hurry(); });
  }

  start() {
    if (this.#state === "stopped") this.#connect();
  }

  stop() {
    this.#leaveSocket();
    this.#enter("stopped");
  }

  // Ends the waiting.
  hurry() {
    if (this.#state === "waiting") this.#connect();
  }

  #enter(state) {
    clearTimeout(this.#timer);
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }

  #leaveSocket() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  async #connect() {
    this.#enter("connecting");
    let url;
    try {
      url = await this.#findUrl();
    } catch {
      if (this.#state === "connecting") this.#wait(0);
      return;
    }
    if (this.#state === "connecting" && !this.#socket) this.#open(url);
  }

  #open(url) {
    const socket = this.#socket = new WebSocket(url);
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = ({ code }) => this.#wait(code);
    this.#timer = setTimeout(() => this.#wait(0), ANSWER_MS);
  }

  #hear(data) {
    const frame = readFrame(data, this.#auction);
    if (!frame) return;
    this.#attempt = 0;
    this.#enter("live");
    this.#onCount(frame.count);
  }

  #wait(code) {
    this.#leaveSocket();
    this.#enter("waiting");
    this.#timer = setTimeout(() => this.hurry(), reconnectDelayMs(this.#attempt++, code, Math.random()));
  }
}
