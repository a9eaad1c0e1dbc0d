// "475 watching", as it changes; connects again by itself.
import { adoptAuction, byId, getConfig, setText } from "./common.mjs";
import { countText, watchingText } from "./figures.mjs";
import { ViewerSocket } from "./viewer_socket.mjs";

const SAY_EVERY_MS = 10_000; // to screen readers
const STATES = {
  connecting: ["connecting", "Connecting…"],
  live: ["live", "Live"],
  waiting: ["reconnecting", "Reconnecting…"],
  stopped: ["reconnecting", "Not connected"],
};

const auction = adoptAuction();
let count = null; // the newest
let said = -Infinity;
let sayTimer = 0;

function say() {
  sayTimer = 0;
  said = performance.now();
  setText("announce", watchingText(count));
}

function showCount(newest) {
  count = newest;
  setText("number", countText(count));
  document.title = `${watchingText(count)} · ${auction} · Headcount`;
  sayTimer ||= setTimeout(say, Math.max(0, said + SAY_EVERY_MS - performance.now()));
}

// Connecting for the first time and connecting again are told apart.
function showState(state) {
  const [name, text] = STATES[state === "connecting" && count !== null ? "waiting" : state];
  byId("watching").dataset.state = name;
  setText("state-text", text);
}

async function findUrl() {
  const { viewerSocketUrl } = await getConfig();
  const own = `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:8081/ws`;
  const url = new URL(viewerSocketUrl || own);
  url.searchParams.set("auction", auction);
  return url.href;
}

const socket = new ViewerSocket({ auction, findUrl, onCount: showCount, onState: showState });
addEventListener("pagehide", () => socket.stop()); // a page that is gone watches nothing
addEventListener("pageshow", () => socket.start());
socket.start();
