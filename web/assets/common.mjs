// What every page does: the auction it is about, the admin key, requests to the api.

const KEY = "headcount-admin-key";

export const byId = (id) => document.getElementById(id);

export function show(id, visible) {
  byId(id).hidden = !visible;
}

// The key comes in the address's fragment, which no server sees, and does not stay there.
export function adoptKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!given) return;
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname + location.search);
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;
export const setKey = (key) => sessionStorage.setItem(KEY, key);
export const dropKey = () => sessionStorage.removeItem(KEY);

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
    this.status = status;
  }
  get unauthorized() {
    return this.status === 401 || this.status === 403;
  }
}

// The data of an answer; throws an ApiError (status 0: nobody answered).
export async function request(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (hasKey()) headers["x-admin-api-key"] = sessionStorage.getItem(KEY);
  let response, answer;
  try {
    response = await fetch(`/api/v1${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store",
    });
    answer = await response.json();
  } catch {
    throw new ApiError(response && !response.ok ? response.status : 0, "The server cannot be reached.");
  }
  if (!response.ok) throw new ApiError(response.status, answer.error?.message ?? response.statusText);
  return answer.data;
}

// Calls work() now and then again intervalMs after it ended, but not while the page is hidden.
export function repeat(work, intervalMs) {
  let timer;
  const turn = async () => {
    clearTimeout(timer);
    if (!document.hidden) await work();
    timer = setTimeout(turn, intervalMs);
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
  return turn();
}

// Asks for the admin key in #key-form; done() is called with a new key in place.
export function askForKey(wrong, done) {
  const form = byId("key-form");
  if (wrong) byId("key-text").textContent = "That key is not right. Enter the admin key.";
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    const key = byId("key").value.trim();
    if (!key) return byId("key").focus();
    setKey(key);
    byId("key").value = "";
    form.hidden = true;
    done();
  };
}

adoptKey();
window.addEventListener("hashchange", () => {
  if (location.hash.startsWith("#key=")) { adoptKey(); location.reload(); }
});
