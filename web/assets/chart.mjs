// The chart of the minutes: the average as a line in the band between minimum and peak.
// Chart.js is loaded before, as window.Chart.
import { chartPoints } from "./figures.mjs";

const POINTS_MOST = 600;
const DAY_MS = 86_400_000;

let chart = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function timeFormat(spanMs) {
  if (spanMs < DAY_MS) return new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
  return new Intl.DateTimeFormat(undefined, spanMs < 4 * DAY_MS
    ? { weekday: "short", hour: "numeric", minute: "2-digit" } : { month: "short", day: "numeric" });
}

function makeLine(label, points, member, style) {
  return {
    label, data: points.map((point) => ({ x: point.x, y: point[member] })),
    borderWidth: 0, pointRadius: points.length < 40 ? 2 : 0, pointHitRadius: 8, spanGaps: false, ...style,
  };
}

function makeData(points) {
  const band = colour("--band"), bar = colour("--bar");
  return { datasets: [
    makeLine("Minimum", points, "minimum", { borderColor: band, backgroundColor: band, pointRadius: 0 }),
    makeLine("Peak", points, "peak", { borderColor: band, backgroundColor: band, fill: "-1", pointRadius: 0 }),
    makeLine("Average", points, "average", { borderColor: bar, backgroundColor: bar, borderWidth: 2 }),
  ] };
}

function makeOptions(points) {
  const axis = timeFormat(points[points.length - 1].x - points[0].x);
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const ticks = { color: colour("--soft"), maxRotation: 0 }, grid = { color: colour("--line") };
  return {
    animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true,
    interaction: { mode: "nearest", axis: "x", intersect: false },
    scales: {
      x: { type: "linear", min: points[0].x, max: points[points.length - 1].x, grid,
        ticks: { ...ticks, maxTicksLimit: 7, callback: (value) => axis.format(value) } },
      y: { beginAtZero: true, grid, ticks: { ...ticks, precision: 0 } },
    },
    plugins: {
      legend: { labels: { color: colour("--text"), boxWidth: 14 } },
      tooltip: { callbacks: { title: ([item]) => full.format(item.parsed.x) } },
    },
  };
}

export function drawChart(canvas, snapshots) {
  const points = chartPoints(snapshots, POINTS_MOST);
  chart?.destroy();
  chart = new window.Chart(canvas, { type: "line", data: makeData(points), options: makeOptions(points) });
}
