// Snapshots for the module tests.

export const MINUTE = 60_000;
export const START = Date.parse("2026-03-01T12:00:00Z");

// One that ended `minute` minutes after START; more replaces members.
export function snapshot(minute, viewers, more = {}) {
  return {
    timestamp: new Date(START + minute * MINUTE).toISOString(),
    viewerCount: viewers, avgViewers: viewers, peakViewers: viewers, minViewers: viewers, sampleCount: 12, ...more,
  };
}

// The exact figures of a minute that was observed for so long.
export const observed = (coverageMs, complete) =>
  ({ exactPeak: 9, exactMin: 1, exactAvg: 5, joins: 0, leaves: 0, coverageMs, complete });

export const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
