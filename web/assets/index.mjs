// The list of auctions, with live counts; the page of it that ?after=ID names.
import { byId, repeat, request, setText, show } from "./common.mjs";
import { countText, validAuction, watchingText } from "./figures.mjs";

const PAGE = 50;
const REFRESH_MS = 3000;

const given = new URLSearchParams(location.search).get("after") ?? "";
const after = validAuction(given) ? given : "";

function makeLink(text, path) {
  const link = document.createElement("a");
  link.textContent = text;
  link.href = path;
  return link;
}

function makeCell(className, ...content) {
  const cell = document.createElement("td");
  cell.className = className;
  cell.append(...content);
  return cell;
}

function makeRow(id) {
  const row = document.createElement("tr");
  row.dataset.auction = id;
  const name = document.createElement("th");
  name.scope = "row";
  name.append(makeLink(id, `/auctions/${id}`));
  const links = document.createElement("div");
  links.className = "links";
  links.append(makeLink("Live view", `/auctions/${id}/live`), makeLink("Dashboard", `/auctions/${id}`),
    makeLink("Setup", `/auctions/${id}/setup`));
  for (const link of links.children) link.setAttribute("aria-label", `${link.textContent} of ${id}`);
  row.append(name, makeCell("number"), makeCell("tracking", document.createElement("span")), makeCell("pages", links));
  return row;
}

function fillRow(row, { viewers, enableViewerAnalytics }) {
  const [, count, tracking] = row.children;
  const text = viewers === null ? "–" : countText(viewers);
  if (count.textContent !== text) count.textContent = text;
  count.dataset.live = viewers > 0;
  const badge = tracking.firstElementChild;
  badge.textContent = enableViewerAnalytics ? "On" : "Off";
  badge.className = enableViewerAnalytics ? "badge on" : "badge";
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

function summaryText({ auctions, next, live }) {
  if (!auctions.length) return after ? "No more auctions" : "Nobody is watching right now";
  if (!live) return "Live counts are not available at the moment";
  const watching = watchingText(auctions.reduce((sum, auction) => sum + auction.viewers, 0));
  if (next || after) return `${watching} the auctions on this page`;
  return `${watching} ${auctions.length === 1 ? "1 auction" : `${countText(auctions.length)} auctions`}`;
}

function showPage(page) {
  fillList(page.auctions);
  setText("summary", summaryText(page));
  show("list", page.auctions.length > 0);
  show("empty", page.auctions.length === 0 && !after);
  show("next", page.next !== null);
  if (page.next) byId("next").href = `/?after=${page.next}`;
}

async function refresh() {
  try {
    showPage(await request("GET", `/auctions?limit=${PAGE}&after=${after}`));
    show("problem", false);
  } catch (error) {
    setText("problem", `${error.message} The figures below may be old. Trying again…`);
    show("problem", true);
  }
}

byId("open").onsubmit = (event) => {
  event.preventDefault();
  const field = byId("auction"), id = field.value.trim(), valid = validAuction(id);
  field.setAttribute("aria-invalid", String(!valid));
  setText("open-error", valid ? "" : "An auction id is 1 to 64 letters, digits, _ and -.");
  if (valid) location.href = `/auctions/${id}${event.submitter?.value ?? "/live"}`;
  else field.focus();
};
show("first", after !== "");
repeat(refresh, REFRESH_MS);
