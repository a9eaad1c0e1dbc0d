// What is calculated from snapshots and shown as text. Pure: no DOM, no clock, no network.
import { addLengths } from "./series.mjs";

export function countText(count) {
  return count.toLocaleString();
}

// "1 watching", "12,345 watching"
export function watchingText(count) {
  return `${countText(count)} watching`;
}

export function validAuction(id) {
  return /^[A-Za-z0-9_-]{1,64}$/.test(id);
}

// A key that a header can carry; the server has the last word.
export function validKey(key) {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(key);
}

// The average of averages, each weighted by its samples; NaN of nothing.
export function weightedAverage(snapshots) {
  let sum = 0, samples = 0;
  for (const one of snapshots) {
    sum += one.avgViewers * one.sampleCount;
    samples += one.sampleCount;
  }
  return sum / samples;
}

// {peak, peakAt, exactPeak, average, minimum, minimumAt, exactMin, durationMs, from, to} of
// snapshots in time order; null when there are none. The exact figures come from every join and
// leave instead of samples; null where no snapshot knows them. The duration is the time
// recorded: minutes that are missing do not count. Times in ms.
export function summarise(snapshots) {
  if (!snapshots.length) return null;
  const spans = addLengths(snapshots);
  let highest = snapshots[0], lowest = snapshots[0], exactPeak = null, exactMin = null, durationMs = 0;
  snapshots.forEach((one, i) => {
    if (one.peakViewers > highest.peakViewers) highest = one;
    if (one.minViewers < lowest.minViewers) lowest = one;
    if (one.exactPeak !== undefined) exactPeak = Math.max(exactPeak ?? 0, one.exactPeak);
    if (one.exactMin !== undefined) exactMin = Math.min(exactMin ?? Infinity, one.exactMin);
    durationMs += spans[i].to - spans[i].from;
  });
  return {
    peak: highest.peakViewers, peakAt: Date.parse(highest.timestamp), exactPeak,
    minimum: lowest.minViewers, minimumAt: Date.parse(lowest.timestamp), exactMin,
    average: Math.round(weightedAverage(snapshots) * 10) / 10,
    durationMs, from: spans[0].from, to: spans[spans.length - 1].to,
  };
}

// "45 s", "12 min", "3 h 05 min", "3 h", "89 d 4 h"
export function durationText(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60 ? ` ${String(minutes % 60).padStart(2, "0")} min` : "";
  if (hours < 48) return `${hours} h${rest}`;
  return `${Math.floor(hours / 24)} d${hours % 24 ? ` ${hours % 24} h` : ""}`;
}
