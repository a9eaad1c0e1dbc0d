// "475 watching", as it changes; connects again by itself.
import { adoptAuction, byId, request } from "./common.mjs";
import { reconnectDelayMs, watchingText } from "./figures.mjs";

const SAY_EVERY_MS = 5000; // to screen readers

const auction = adoptAuction();
let attempt = 0;
let announced = 0;
let sayTimer = null;

function setState(state, text) {
  byId("watching").dataset.state = state;
  byId("state-text").textContent = text;
}

function say() {
  sayTimer = null;
  announced = Date.now();
  byId("announce").textContent = watchingText(Number(byId("number").dataset.count));
}

function showCount(count) {
  byId("number").textContent = count.toLocaleString();
  byId("number").dataset.count = count;
  document.title = `${watchingText(count)} · ${auction}`;
  sayTimer ??= setTimeout(say, Math.max(0, announced + SAY_EVERY_MS - Date.now()));
}

async function findUrl() {
  const { viewerSocketUrl } = await request("GET", "/config");
  const own = `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:8081/ws`;
  return `${viewerSocketUrl || own}?auction=${encodeURIComponent(auction)}`;
}

function again() {
  setState("reconnecting", "Reconnecting…");
  setTimeout(connect, reconnectDelayMs(attempt++, Math.random()));
}

async function connect() {
  let socket;
  try {
    socket = new WebSocket(await findUrl());
  } catch {
    return again();
  }
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.event !== "viewerCountUpdate") return;
    attempt = 0;
    setState("live", "Live");
    showCount(message.count);
  };
  socket.onclose = again;
}

connect();
