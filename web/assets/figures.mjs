// What is calculated from snapshots and shown as text. Pure: no DOM, no clock, no network.

const MINUTE_MS = 60_000;

export function watchingText(count) {
  return `${count.toLocaleString()} watching`;
}

export function validAuction(id) {
  return /^[A-Za-z0-9_-]{1,64}$/.test(id);
}

// The time a snapshot stands for: the usual distance between two of them, a minute when unknown.
export function windowMs(times) {
  const distances = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
  return distances[Math.floor(distances.length / 2)] || MINUTE_MS;
}

// {peak, average, minimum, durationMs, from, to} of snapshots in time order; null when there are none.
// The average weighs each snapshot by its samples; the duration leaves out minutes not recorded.
export function summarise(snapshots) {
  if (!snapshots.length) return null;
  let peak = -Infinity, minimum = Infinity, sum = 0, samples = 0;
  for (const one of snapshots) {
    peak = Math.max(peak, one.peakViewers);
    minimum = Math.min(minimum, one.minViewers);
    sum += one.avgViewers * one.sampleCount;
    samples += one.sampleCount;
  }
  const times = snapshots.map((one) => Date.parse(one.timestamp));
  const length = windowMs(times);
  return {
    peak,
    minimum,
    average: Math.round((sum / samples) * 10) / 10,
    durationMs: length * snapshots.length,
    from: times[0] - length,
    to: times[times.length - 1],
  };
}

// "3 h 05 min", "12 min", "45 s"
export function durationText(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

// Points for a chart, at most `most` of them: {x, average, peak, minimum}. Neighbours are put
// together when there are too many; where minutes are missing a point of nulls makes a hole.
export function chartPoints(snapshots, most) {
  if (!snapshots.length) return [];
  const times = snapshots.map((one) => Date.parse(one.timestamp));
  const length = windowMs(times);
  const span = times[times.length - 1] - times[0] + length;
  const step = length * Math.max(1, Math.ceil(span / length / most));
  const points = [];
  let open = null;
  snapshots.forEach((one, i) => {
    const place = Math.floor((times[i] - times[0]) / step);
    if (open && open.place === place) {
      open.sum += one.avgViewers * one.sampleCount;
      open.samples += one.sampleCount;
      open.peak = Math.max(open.peak, one.peakViewers);
      open.minimum = Math.min(open.minimum, one.minViewers);
      return;
    }
    if (open && place > open.place + 1)
      points.push({ hole: true, x: times[0] + (open.place + 1) * step });
    open = {
      place, x: times[0] + place * step, sum: one.avgViewers * one.sampleCount,
      samples: one.sampleCount, peak: one.peakViewers, minimum: one.minViewers,
    };
    points.push(open);
  });
  return points.map((point) => point.hole
    ? { x: point.x, average: null, peak: null, minimum: null }
    : { x: point.x, average: point.sum / point.samples, peak: point.peak, minimum: point.minimum });
}

// How long to wait before attempt number `attempt` (0, 1, …) to connect again: doubling from 0.5 s
// to 30 s, of which a random part, so that many viewers do not come back at the same moment.
export function reconnectDelayMs(attempt, random) {
  const most = Math.min(30_000, 500 * 2 ** Math.min(attempt, 10));
  return most / 2 + (most / 2) * random;
}
