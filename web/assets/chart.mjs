// The chart of the minutes: the average as a line in the band between minimum and peak.
// Chart.js is loaded before, as window.Chart.
import { countText } from "./figures.mjs";
import { timeTicks } from "./series.mjs";

const TICK_PX = 64; // between two marks of the time axis, at least
const AXIS_FORMATS = {
  Seconds: { timeStyle: "medium" },
  Minutes: { timeStyle: "short" },
  Hours: { timeStyle: "short" },
  Date: { month: "short", day: "numeric" },
};
const dayText = new Intl.DateTimeFormat(undefined, AXIS_FORMATS.Date);

let chart = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Nulls are holes; without parsing Chart.js takes only NaN for one.
const makeLine = (label, points, member, style) => ({
  label, data: points.map((point) => ({ x: point.x, y: point[member] ?? NaN })),
  borderWidth: 0, pointRadius: 0, pointHoverRadius: 0, spanGaps: false, ...style,
});

// A point alone has no line, and is drawn as a dot between its ends.
function makeData(points) {
  const band = colour("--band"), bar = colour("--bar");
  const dots = (size) => points.map((point) => (point.alone ? size : 0));
  const edge = { borderColor: band, backgroundColor: band, pointRadius: dots(1.5) };
  return { datasets: [
    makeLine("Average", points, "average", {
      borderColor: bar, backgroundColor: bar, borderWidth: 2, borderJoinStyle: "round",
      pointRadius: dots(2.5), pointHoverRadius: 4,
    }),
    makeLine("Peak", points, "peak", { ...edge, fill: 2 }),
    makeLine("Minimum", points, "minimum", edge),
  ] };
}

function placeTicks(scale) {
  const { unit, times } = timeTicks(scale.min, scale.max, Math.max(2, scale.width / TICK_PX));
  const text = new Intl.DateTimeFormat(undefined, AXIS_FORMATS[unit]);
  const midnight = (time) => unit !== "Date" && new Date(time).getHours() === 0 && new Date(time).getMinutes() === 0;
  scale.ticks = times.map((value) => ({ value, label: (midnight(value) ? dayText : text).format(value) }));
}

function makeOptions(points) {
  const last = points[points.length - 1];
  const soft = colour("--soft"), line = colour("--line");
  const full = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });
  const y = ({ dataset, parsed }) => `${dataset.label} ${countText(Math.round(parsed.y * 10) / 10)}`;
  return {
    animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true,
    interaction: { mode: "index", axis: "x", intersect: false },
    scales: {
      x: {
        type: "linear", min: points[0].from, max: last.to, afterBuildTicks: placeTicks,
        grid: { display: false }, border: { color: line },
        ticks: { color: soft, maxRotation: 0, autoSkip: false, callback: (_, i, ticks) => ticks[i].label },
      },
      y: {
        beginAtZero: true, grid: { color: line, drawBorder: false },
        ticks: { color: soft, precision: 0, maxTicksLimit: 6, callback: (value) => countText(value) },
      },
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        displayColors: false, padding: 10, backgroundColor: colour("--text"), titleColor: colour("--card"),
        bodyColor: colour("--card"),
        callbacks: { title: ([{ dataIndex }]) => full.formatRange(points[dataIndex].from, points[dataIndex].to), label: y },
      },
    },
  };
}

export function drawChart(canvas, { points }) {
  chart?.destroy();
  window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  chart = new window.Chart(canvas, { type: "line", data: makeData(points), options: makeOptions(points) });
}
