// What every page does: the auction it is about, the admin key, requests to the api.
import { validKey } from "./figures.mjs";

const KEY = "headcount-admin-key";
const PATIENCE_MS = 15_000;

export const byId = (id) => document.getElementById(id);

export function show(id, visible) {
  byId(id).hidden = !visible;
}

// Only when it differs: a live region is read out whenever it is written to.
export function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;

export function setKey(key) {
  sessionStorage.setItem(KEY, key);
  show("forget", true);
}

export function dropKey() {
  sessionStorage.removeItem(KEY);
  show("forget", false);
}

// The key comes in the address's fragment, which no server sees, and does not stay there.
function adoptKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given === null) return false;
  history.replaceState(history.state, "", location.pathname + location.search);
  if (validKey(given)) setKey(given);
  return validKey(given);
}

// The auction in /auctions/<id>/…, put into the page's heading, title and links.
export function adoptAuction() {
  const id = decodeURIComponent(location.pathname.split("/")[2]);
  for (const place of document.querySelectorAll(".auction")) place.textContent = id;
  for (const link of document.querySelectorAll("a[data-page]"))
    link.href = `/auctions/${id}${link.dataset.page && "/"}${link.dataset.page}`;
  document.title = `${id} · ${document.title}`;
  return id;
}

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status; // 0: nobody answered
  }
  get unauthorized() {
    return this.status === 401;
  }
}

async function send(method, path, { body, signal = AbortSignal.timeout(PATIENCE_MS) }) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (hasKey()) headers["x-admin-api-key"] = sessionStorage.getItem(KEY);
  const response = await fetch(`/api/v1${path}`, {
    method, headers, signal, body: body && JSON.stringify(body), cache: "no-store",
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  throw new ApiError(response.status, answer?.error?.message ?? `The server answered with status ${response.status}.`);
}

// The answer as read(response) gives it; throws an ApiError. What its caller has taken back by
// options.signal throws an AbortError.
async function ask(method, path, options, read) {
  try {
    return await read(await send(method, path, options));
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached.");
  }
}

// The data of a JSON answer.
export const request = (method, path, body) =>
  ask(method, path, { body }, async (response) => (await response.json()).data);

// The bytes of an answer, which may take its time.
export const requestBytes = (path, signal) => ask("GET", path, { signal }, (response) => response.arrayBuffer());

let config = null;

// {viewerSocketUrl, analyticsPublic, version}, asked for once.
export async function getConfig() {
  config ??= await request("GET", "/config");
  return config;
}

// Calls work() now and then again intervalMs after it ended, but not while the page is hidden.
export function repeat(work, intervalMs) {
  let timer = 0, busy = false;
  const turn = async () => {
    if (busy || document.hidden) return;
    clearTimeout(timer);
    busy = true;
    await work();
    busy = false;
    timer = setTimeout(turn, intervalMs);
  };
  document.addEventListener("visibilitychange", turn);
  turn();
}

// Asks for the admin key in #key-form; done() is called with a new key in place.
export function askForKey(done) {
  const form = byId("key-form"), field = byId("key");
  setText("key-problem", hasKey() ? "That key is not the admin key. Check it and try again." : "");
  if (hasKey()) dropKey();
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    const key = field.value.trim();
    const valid = validKey(key);
    setText("key-problem", valid ? "" : key ? "A key has no letters beyond plain ASCII." : "Enter the key first.");
    if (!valid) return field.focus();
    setKey(key);
    field.value = "";
    form.hidden = true;
    done();
  };
}

adoptKey();
show("forget", hasKey());
byId("forget").onclick = () => { dropKey(); location.reload(); };
addEventListener("hashchange", () => { if (adoptKey()) location.reload(); });
