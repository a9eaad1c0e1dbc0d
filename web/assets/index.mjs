// The list of auctions, with live counts.
import { byId, repeat, request, show } from "./common.mjs";
import { validAuction } from "./figures.mjs";

const PAGE = 50;
const REFRESH_MS = 3000;

let pages = 1; // shown so far

function makeLink(text, path) {
  const link = document.createElement("a");
  link.textContent = text;
  link.href = path;
  return link;
}

function makeRow(id) {
  const row = document.createElement("tr");
  row.dataset.auction = id;
  const name = document.createElement("th");
  name.scope = "row";
  name.append(makeLink(id, `/auctions/${id}`));
  const count = document.createElement("td");
  count.className = "number";
  const tracking = document.createElement("td");
  tracking.append(document.createElement("span"));
  const links = document.createElement("td");
  const box = document.createElement("div");
  box.className = "links";
  box.append(makeLink("Live view", `/auctions/${id}/live`), makeLink("Dashboard", `/auctions/${id}`),
    makeLink("Setup", `/auctions/${id}/setup`));
  for (const link of box.children) link.setAttribute("aria-label", `${link.textContent} of ${id}`);
  links.append(box);
  row.append(name, count, tracking, links);
  return row;
}

function fillRow(row, auction) {
  row.children[1].textContent = auction.viewers === null ? "–" : auction.viewers.toLocaleString();
  const badge = row.children[2].firstElementChild;
  badge.textContent = auction.enableViewerAnalytics ? "On" : "Off";
  badge.className = auction.enableViewerAnalytics ? "badge on" : "badge";
}

// Keeps the rows there are, so that focus and selection survive a refresh.
function fillList(auctions) {
  const body = byId("rows");
  const old = new Map([...body.children].map((row) => [row.dataset.auction, row]));
  auctions.forEach((auction, i) => {
    const row = old.get(auction.id) ?? makeRow(auction.id);
    old.delete(auction.id);
    fillRow(row, auction);
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
  });
  for (const row of old.values()) row.remove();
}

async function load() {
  const auctions = [];
  let next = "", data;
  for (let page = 0; page < pages && next !== null; page++) {
    data = await request("GET", `/auctions?limit=${PAGE}&after=${encodeURIComponent(next)}`);
    auctions.push(...data.auctions);
    next = data.next;
  }
  return { auctions, more: next !== null };
}

async function refresh() {
  try {
    const { auctions, more } = await load();
    fillList(auctions);
    show("problem", false);
    show("list", auctions.length > 0);
    show("empty", auctions.length === 0);
    show("more", more);
    const watching = auctions.reduce((sum, auction) => sum + (auction.viewers ?? 0), 0);
    const text = auctions.length
      ? `${watching.toLocaleString()} watching ${auctions.length.toLocaleString()}${more ? "+" : ""} ${auctions.length === 1 ? "auction" : "auctions"}`
      : "Nobody is watching right now";
    if (byId("summary").textContent !== text) byId("summary").textContent = text;
  } catch (error) {
    byId("problem").textContent = `${error.message} Trying again…`;
    show("problem", true);
  }
}

byId("more").onclick = () => { pages++; refresh(); };
byId("open").onsubmit = (event) => {
  event.preventDefault();
  const id = byId("auction").value.trim();
  const valid = validAuction(id);
  byId("auction").setAttribute("aria-invalid", String(!valid));
  byId("open-error").textContent = valid ? "" : "An auction id is 1 to 64 letters, digits, _ and -.";
  if (valid) location.href = `/auctions/${id}/live`;
  else byId("auction").focus();
};
repeat(refresh, REFRESH_MS);
