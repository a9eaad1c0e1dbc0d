// One auction's dashboard. The analytics are fetched when the panel is first opened, not before.
import { adoptAuction, askForKey, byId, dropKey, hasKey, repeat, request, show } from "./common.mjs";
import { drawChart } from "./chart.mjs";
import { durationText, summarise } from "./figures.mjs";

const LIVE_REFRESH_MS = 3000;
const TREND_LENGTH = 20;
const STATES = ["off", "nothing", "figures", "problem", "key-form"];

const auction = adoptAuction();
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const trendTime = new Intl.DateTimeFormat(undefined, {
  month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit",
});
let opened = false;
let shown = null; // the snapshots on the page, to draw again in other colours

function showOnly(state) {
  for (const one of STATES) show(one, one === state);
}

function showTracking(enabled) {
  byId("tracking").textContent = enabled ? "On" : "Off";
}

function makeTrendItem(one, most) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = one.timestamp;
  time.textContent = trendTime.format(Date.parse(one.timestamp));
  const bar = document.createElement("progress");
  bar.max = Math.max(most, 1);
  bar.value = one.viewerCount;
  bar.setAttribute("aria-label", `${one.viewerCount} of at most ${most} viewers`);
  const count = document.createElement("span");
  count.className = "count";
  count.textContent = one.viewerCount.toLocaleString();
  item.title = `average ${one.avgViewers}, peak ${one.peakViewers}, minimum ${one.minViewers}, ${one.sampleCount} samples`;
  item.append(time, bar, count);
  return item;
}

function showFigures(snapshots) {
  const figures = summarise(snapshots);
  byId("peak").textContent = figures.peak.toLocaleString();
  byId("average").textContent = figures.average.toLocaleString();
  byId("minimum").textContent = figures.minimum.toLocaleString();
  byId("duration").textContent = durationText(figures.durationMs);
  byId("span").textContent = `${dateTime.format(figures.from)} to ${dateTime.format(figures.to)}; ` +
    `${snapshots.length.toLocaleString()} snapshots. Time that was not recorded does not count.`;
  const latest = snapshots.slice(-TREND_LENGTH).reverse();
  byId("trend").replaceChildren(...latest.map((one) => makeTrendItem(one, figures.peak)));
  showOnly("figures");
  drawChart(byId("chart"), snapshots);
}

function showAnalytics({ enableViewerAnalytics, snapshots }) {
  showTracking(enableViewerAnalytics);
  shown = snapshots;
  if (!snapshots.length) return showOnly(enableViewerAnalytics ? "nothing" : "off");
  show("off-note", !enableViewerAnalytics);
  showFigures(snapshots);
}

function showProblem(error) {
  if (error.unauthorized) {
    showOnly("key-form");
    askForKey(hasKey(), load);
    dropKey();
    return;
  }
  byId("problem-text").textContent = error.message;
  showOnly("problem");
}

async function load() {
  byId("refresh").disabled = true;
  byId("progress").textContent = "Loading…";
  try {
    showAnalytics(await request("GET", `/auctions/${auction}/analytics/viewers?timeRange=${byId("range").value}`));
  } catch (error) {
    showProblem(error);
  }
  byId("refresh").disabled = false;
  byId("progress").textContent = "";
}

async function refreshLive() {
  try {
    const { viewers } = await request("GET", `/auctions/${auction}/viewers`);
    byId("live").textContent = viewers === null ? "–" : viewers.toLocaleString();
  } catch {
    byId("live").textContent = "–";
  }
}

async function readTracking() {
  if (!hasKey()) return;
  try {
    showTracking((await request("GET", `/auctions/${auction}/settings`)).enableViewerAnalytics);
  } catch { /* the panel says what is wrong when it is opened */ }
}

byId("toggle").onclick = () => {
  const open = byId("toggle").getAttribute("aria-expanded") !== "true";
  byId("toggle").setAttribute("aria-expanded", String(open));
  show("analytics", open);
  if (open && !opened) load();
  opened ||= open;
};
byId("refresh").onclick = byId("retry").onclick = load;
byId("range").onchange = load;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (shown?.length) drawChart(byId("chart"), shown);
});
repeat(refreshLive, LIVE_REFRESH_MS);
readTracking();
