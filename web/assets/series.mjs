// Snapshots → the points of a chart: few enough to draw, with holes where time is missing; and
// where its time axis is marked. Pure: no DOM, no clock, no network. Times in ms.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440].map((minutes) => minutes * MINUTE_MS);

// What each snapshot stands for: [{from, to}]. It ends at its timestamp. A complete one is as long
// as it was observed, one with a part missing as the longest there is; one that does not say is a
// minute. It begins no earlier than the one before it ends.
export function addLengths(snapshots) {
  let longest = 0, before = -Infinity;
  for (const one of snapshots) longest = Math.max(longest, one.coverageMs ?? 0);
  return snapshots.map((one) => {
    const to = Date.parse(one.timestamp);
    const length = one.coverageMs === undefined ? MINUTE_MS : one.complete ? one.coverageMs : longest;
    const from = Math.max(to - length, before);
    before = to;
    return { from, to };
  });
}

// The step at which `most` points or fewer span the time; 0: one point a snapshot.
export function chooseStep(count, spanMs, most) {
  if (count <= most) return 0;
  return STEPS.find((step) => spanMs / step <= most - 1) ?? Math.ceil(spanMs / (most - 1) / DAY_MS) * DAY_MS;
}

function openPoint(place, one, { from, to }) {
  return {
    place, from, to, peak: one.peakViewers, minimum: one.minViewers,
    sum: one.avgViewers * one.sampleCount, samples: one.sampleCount, count: 1,
  };
}

function addToPoint(point, one, { to }) {
  point.to = to;
  point.peak = Math.max(point.peak, one.peakViewers);
  point.minimum = Math.min(point.minimum, one.minViewers);
  point.sum += one.avgViewers * one.sampleCount;
  point.samples += one.sampleCount;
  point.count++;
}

function joinSnapshots(snapshots, spans, step) {
  const points = [];
  snapshots.forEach((one, i) => {
    const place = step ? Math.floor((spans[i].to - 1) / step) : i;
    const last = points[points.length - 1];
    if (last?.place === place) addToPoint(last, one, spans[i]);
    else points.push(openPoint(place, one, spans[i]));
  });
  return points;
}

// Time is missing between two points when it is more than a step and half of what they stand for.
function isHole(before, after, step) {
  return after.from - before.to > Math.max(step, (after.to - after.from) / 2);
}

// {step, points: [{x, from, to, average, peak, minimum, count, alone}]}, at most `most` points that
// stand for snapshots. Between two of them that do not touch lies a point {x, hole: true} of nulls.
// alone: with a hole, or nothing, on both sides.
export function makeSeries(snapshots, most) {
  const spans = addLengths(snapshots);
  const spanMs = spans.length ? spans[spans.length - 1].to - spans[0].from : 0;
  const step = chooseStep(snapshots.length, spanMs, most);
  const joined = joinSnapshots(snapshots, spans, step);
  const points = [];
  joined.forEach((one, i) => {
    const holeBefore = i > 0 && isHole(joined[i - 1], one, step);
    const holeAfter = i + 1 < joined.length && isHole(one, joined[i + 1], step);
    if (holeBefore)
      points.push({ x: (joined[i - 1].to + one.from) / 2, hole: true, average: null, peak: null, minimum: null });
    points.push({
      x: (one.from + one.to) / 2, from: one.from, to: one.to, average: one.sum / one.samples,
      peak: one.peak, minimum: one.minimum, count: one.count,
      alone: (i === 0 || holeBefore) && (i + 1 === joined.length || holeAfter),
    });
  });
  return { step, points };
}

const TICKS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => ["Seconds", count, 1000]),
  ...[1, 2, 5, 10, 15, 30].map((count) => ["Minutes", count, MINUTE_MS]),
  ...[1, 2, 3, 6, 12].map((count) => ["Hours", count, HOUR_MS]),
  ...[1, 2, 7, 14, 28].map((count) => ["Date", count, DAY_MS]),
];

// The first local time at or after `from` that is a multiple of the unit: 14:00, 14:15, midnight.
function firstTick(from, unit, count) {
  const date = new Date(from);
  date.setMilliseconds(0);
  if (unit !== "Seconds") date.setSeconds(0);
  if (unit === "Hours" || unit === "Date") date.setMinutes(0);
  if (unit === "Date") date.setHours(0);
  else date[`set${unit}`](Math.floor(date[`get${unit}`]() / count) * count);
  while (date.getTime() < from) date[`set${unit}`](date[`get${unit}`]() + (unit === "Date" ? 1 : count));
  return date;
}

// {unit: "Seconds" | "Minutes" | "Hours" | "Date", times: [ms]}: at most `most` round local times.
export function timeTicks(from, to, most) {
  const fits = ([, count, length]) => (to - from) / (count * length) <= most - 1;
  const [unit, count] = TICKS.find(fits) ?? ["Date", Math.ceil((to - from) / DAY_MS / (most - 1))];
  const times = [];
  for (const date = firstTick(from, unit, count); date.getTime() <= to; date[`set${unit}`](date[`get${unit}`]() + count))
    times.push(date.getTime());
  return { unit, times };
}
