import { equal, test } from "./check.mjs";
import { ViewerSocket } from "/assets/viewer_socket.mjs";

class PlayedSocket {
  static made = [];
  constructor(url) {
    this.url = url;
    this.closed = false;
    PlayedSocket.made.push(this);
  }
  close() { this.closed = true; }
  say(frame) { this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) }); }
  end(code) { this.onclose?.({ code }); }
}

const count = (number, auction = "lot-1") => ({ event: "viewerCountUpdate", auction, count: number });
const settle = () => new Promise((resolve) => setTimeout(resolve));

async function play(findUrl = async () => "ws://gateway/ws") {
  globalThis.WebSocket = PlayedSocket;
  PlayedSocket.made = [];
  const seen = { counts: [], states: [] };
  const socket = new ViewerSocket({
    auction: "lot-1", findUrl, onCount: (one) => seen.counts.push(one), onState: (state) => seen.states.push(state),
  });
  socket.start();
  await settle();
  return { socket, seen, made: PlayedSocket.made };
}

test("live with the first count", async () => {
  const { seen, made } = await play();
  equal(seen.states, ["connecting"]);
  made[0].say(count(2));
  made[0].say(count(3));
  equal([seen.states, seen.counts], [["connecting", "live"], [2, 3]]);
});

test("what is no count of this auction is ignored", async () => {
  const { seen, made } = await play();
  const wrong = ["", "null", "[]", "{", count(1, "lot-2"), count(-1), count(1.5), count("7"), count(null), { ...count(1), event: "x" }];
  for (const frame of wrong) made[0].say(frame);
  equal([seen.states, seen.counts], [["connecting"], []]);
});

test("a lost connection is waited for, then opened anew; the old one says nothing more", async () => {
  const { socket, seen, made } = await play();
  made[0].say(count(2));
  made[0].end(1006);
  equal(seen.states, ["connecting", "live", "waiting"]);
  socket.hurry();
  await settle();
  equal(made.length, 2);
  made[0].say(count(9));
  made[1].say(count(1));
  equal([seen.states, seen.counts], [["connecting", "live", "waiting", "connecting", "live"], [2, 1]]);
});

test("an address that cannot be found is asked for again", async () => {
  let asked = 0;
  const { socket, seen, made } = await play(async () => {
    if (!asked++) throw new Error("away");
    return "ws://gateway/ws";
  });
  equal([seen.states, made.length], [["connecting", "waiting"], 0]);
  dispatchEvent(new Event("online"));
  await settle();
  equal([asked, made.length], [2, 1]);
  socket.stop();
});

test("there is never more than one connection", async () => {
  const { socket, made } = await play();
  socket.start();
  socket.hurry();
  await settle();
  equal(made.length, 1);
  made[0].end(1006);
  socket.hurry();
  socket.hurry();
  await settle();
  equal(made.length, 2);
});

test("stopped is stopped, and may start again", async () => {
  const { socket, seen, made } = await play();
  made[0].say(count(2));
  socket.stop();
  equal(made[0].closed, true);
  made[0].end(1000);
  socket.hurry();
  await settle();
  equal([seen.states.at(-1), made.length], ["stopped", 1]);
  socket.start();
  await settle();
  made[1].say(count(4));
  equal([seen.states.at(-1), seen.counts], ["live", [2, 4]]);
});

test("stopped while the address is asked for opens nothing", async () => {
  let found;
  const { socket, made } = await play(() => new Promise((resolve) => { found = resolve; }));
  socket.stop();
  found("ws://gateway/ws");
  await settle();
  equal(made.length, 0);
});

test("started again while the address is asked for opens one", async () => {
  const found = [];
  const { socket, made } = await play(() => new Promise((resolve) => { found.push(resolve); }));
  socket.stop();
  socket.start();
  for (const resolve of found) resolve("ws://gateway/ws");
  await settle();
  equal([found.length, made.length], [2, 1]);
});
