// The collapsible Viewer Analytics: fetched when first opened, not before, and at Refresh.
// A worker reads the answer and calculates; here its results become a page.
import { askForKey, byId, getConfig, hasKey, requestBytes, setText, show } from "./common.mjs";
import { drawChart } from "./chart.mjs";
import { countText, durationText, summarise } from "./figures.mjs";

const STATES = ["loading", "key-form", "off", "nothing", "nothing-here", "figures"];
const POINTS_LEAST = 100;
const POINT_PX = 2; // of the chart's width, to a point

const format = (options) => new Intl.DateTimeFormat(undefined, options);
const clock = format({ timeStyle: "medium" });
const moment = format({ month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });
const momentSeconds = format({ dateStyle: "medium", timeStyle: "medium" });

function makeElement(name, className, text) {
  const element = document.createElement(name);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function makeTrendItem(one, most) {
  const item = makeElement("li", "");
  const when = Date.parse(one.timestamp);
  const time = makeElement("time", "when", (when % 60_000 ? momentSeconds : moment).format(when));
  time.dateTime = one.timestamp;
  const bar = makeElement("progress", "");
  bar.max = Math.max(most, 1);
  bar.value = one.viewerCount;
  bar.setAttribute("aria-label", `${countText(one.viewerCount)} of at most ${countText(most)} viewers`);
  const average = countText(Math.round(one.avgViewers * 10) / 10);
  const detail = makeElement("span", "detail", `avg ${average}, ${countText(one.minViewers)}–${countText(one.peakViewers)}`);
  if (one.complete === false) {
    detail.prepend(makeElement("span", "badge partial", "partial"), " ");
    item.title = "A part of this minute was not observed.";
  }
  item.append(time, bar, makeElement("span", "count", countText(one.viewerCount)), detail);
  return item;
}

function showTiles(figures) {
  const briefly = (exact, beyond) =>
    exact === null || !beyond ? "" : `briefly ${countText(exact)}`;
  setText("peak", countText(figures.peak));
  setText("peak-hint", moment.format(figures.peakAt));
  setText("peak-exact", briefly(figures.exactPeak, figures.exactPeak > figures.peak));
  setText("average", countText(figures.average));
  setText("minimum", countText(figures.minimum));
  setText("minimum-hint", moment.format(figures.minimumAt));
  setText("minimum-exact", briefly(figures.exactMin, figures.exactMin < figures.minimum));
  setText("duration", durationText(figures.durationMs));
}

function showFigures({ count, figures, series, trend }) {
  const span = moment.formatRange(figures.from, figures.to);
  showTiles(figures);
  setText("span", `${span} (${Intl.DateTimeFormat().resolvedOptions().timeZone}), ` +
    `${countText(count)} ${count === 1 ? "snapshot" : "snapshots"}. Minutes without viewers are not recorded.`);
  setText("step", series.step ? `Each point stands for ${durationText(series.step)}.` : "Each point is one snapshot.");
  byId("chart").setAttribute("aria-label", `Viewers over time, ${span}: peak ${countText(figures.peak)}, ` +
    `average ${countText(figures.average)}, minimum ${countText(figures.minimum)}. The latest snapshots are listed below.`);
  const most = summarise(trend).peak;
  byId("trend").replaceChildren(...trend.map((one) => makeTrendItem(one, most)));
  drawChart(byId("chart"), series);
}

export class AnalyticsPanel {
  #auction; #onTracking;
  #worker = null;
  #asked = null; // AbortController of the request under way
  #ticket = 0; // of the newest question to the worker
  #shown = null; // the result on the page

  // onTracking(enabled) is told what the answers say.
  constructor(auction, onTracking) {
    this.#auction = auction;
    this.#onTracking = onTracking;
    byId("toggle").onclick = () => this.#toggle();
    byId("refresh").onclick = byId("retry").onclick = byId("range").onchange = () => this.#load();
    byId("all").onclick = () => { byId("range").value = "all"; this.#load(); };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      if (this.#shown?.count) drawChart(byId("chart"), this.#shown.series);
    });
  }

  #toggle() {
    const open = byId("toggle").getAttribute("aria-expanded") !== "true";
    byId("toggle").setAttribute("aria-expanded", String(open));
    show("analytics", open);
    if (open && !this.#shown && !this.#asked) this.#load();
  }

  #showOnly(state) {
    for (const one of STATES) show(one, one === state);
    show("tools", state !== "key-form");
    show("problem", false);
  }

  #showBusy(busy) {
    byId("analytics").setAttribute("aria-busy", String(busy));
    byId("refresh").setAttribute("aria-disabled", String(busy));
    setText("progress", busy ? "Loading…" : this.#shown ? `Updated ${clock.format()}` : "");
  }

  async #load() {
    this.#asked?.abort();
    const asked = this.#asked = new AbortController();
    if (!this.#shown) this.#showOnly("loading");
    this.#showBusy(true);
    try {
      const result = await this.#fetch(asked.signal);
      if (asked.signal.aborted) return;
      if (result) this.#showResult(result);
      else this.#askForKey();
    } catch (error) {
      if (asked.signal.aborted) return;
      this.#showProblem(error);
    }
    this.#asked = null;
    this.#showBusy(false);
  }

  // The worker's result; null when the server wants a key and we have none.
  async #fetch(signal) {
    if (!hasKey() && !(await getConfig()).analyticsPublic) return null;
    const path = `/auctions/${this.#auction}/analytics/viewers?timeRange=${byId("range").value}`;
    const result = await this.#digest(await requestBytes(path, signal));
    if (result.broken) throw new Error("The answer was cut short.");
    return result;
  }

  #digest(bytes) {
    this.#worker ??= new Worker("/assets/analytics_worker.mjs", { type: "module" });
    const ticket = ++this.#ticket;
    const most = Math.max(POINTS_LEAST, Math.round(byId("analytics").clientWidth / POINT_PX));
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => { if (data.ticket === ticket) resolve(data); };
      this.#worker.onerror = () => reject(new Error("The figures could not be calculated."));
      this.#worker.postMessage({ ticket, bytes, most }, [bytes]);
    });
  }

  #showResult(result) {
    this.#shown = result;
    this.#onTracking(result.enableViewerAnalytics);
    if (!result.count) return this.#showOnly(this.#emptyState(result));
    this.#showOnly("figures");
    show("off-note", !result.enableViewerAnalytics);
    showFigures(result);
  }

  #emptyState({ enableViewerAnalytics }) {
    if (byId("range").value !== "all") return "nothing-here";
    return enableViewerAnalytics ? "nothing" : "off";
  }

  #askForKey() {
    this.#shown = null;
    this.#showOnly("key-form");
    askForKey(() => this.#load());
  }

  // Figures that are on the page stay there.
  #showProblem(error) {
    if (error.unauthorized) return this.#askForKey();
    if (!this.#shown) this.#showOnly(null);
    setText("problem-text", error.message);
    show("problem", true);
  }
}
