import { equal, holds, test } from "./check.mjs";
import { MINUTE, START, observed, range, snapshot } from "./snapshots.mjs";
import { durationText, summarise, validAuction, validKey, watchingText, weightedAverage } from "/assets/figures.mjs";

test("a count is told in one way, also of one", () => {
  equal(watchingText(0), "0 watching");
  equal(watchingText(1), "1 watching");
  equal(watchingText(475), "475 watching");
  equal(watchingText(1_234_567), `${(1_234_567).toLocaleString()} watching`);
});

test("the first description's minute", () => {
  const minute = { timestamp: "2025-10-21T14:15:00Z", viewerCount: 475, avgViewers: 445, peakViewers: 475, minViewers: 420, sampleCount: 12 };
  const figures = summarise([minute]);
  equal([figures.peak, figures.average, figures.minimum, figures.durationMs], [475, 445, 420, MINUTE]);
  equal([figures.from, figures.to], [Date.parse("2025-10-21T14:14:00Z"), Date.parse("2025-10-21T14:15:00Z")]);
});

test("nothing has no figures", () => equal(summarise([]), null));

test("the average weighs each snapshot by its samples", () => {
  const few = snapshot(1, 100, { sampleCount: 1 }), many = snapshot(2, 10, { sampleCount: 9 });
  equal(weightedAverage([few, many]), 19);
  equal(summarise([few, many]).average, 19);
});

test("peak and minimum are those of the minutes, at the first time they were reached", () => {
  const figures = summarise([
    snapshot(1, 5, { peakViewers: 9, minViewers: 2 }), snapshot(2, 5, { peakViewers: 9, minViewers: 1 }),
    snapshot(3, 5, { peakViewers: 8, minViewers: 1 }),
  ]);
  equal([figures.peak, figures.peakAt], [9, START + MINUTE]);
  equal([figures.minimum, figures.minimumAt], [1, START + 2 * MINUTE]);
});

test("exact figures are told where some snapshot knows them", () => {
  equal(summarise([snapshot(1, 5)]).exactPeak, null);
  const figures = summarise([snapshot(1, 5), snapshot(2, 5, { ...observed(MINUTE, true), exactPeak: 11, exactMin: 0 })]);
  equal([figures.exactPeak, figures.exactMin], [11, 0]);
});

test("the duration leaves out what was not recorded", () => {
  const three = [...range(1, 61), ...range(121, 241)].map((minute) => snapshot(minute, 5));
  const figures = summarise(three);
  equal(figures.durationMs, 180 * MINUTE);
  equal(figures.to - figures.from, 240 * MINUTE);
});

test("durations", () => {
  const texts = { 0: "0 s", 45_400: "45 s", 59_600: "1 min", 3_540_000: "59 min", 3_600_000: "1 h", 11_100_000: "3 h 05 min",
    86_400_000: "24 h", 172_800_000: "2 d", 7_776_000_000: "90 d", 7_790_400_000: "90 d 4 h" };
  for (const [ms, text] of Object.entries(texts)) equal(durationText(Number(ms)), text, ms);
});

test("auction ids", () => {
  for (const id of ["a", "lot-1", "A_z-09", "x".repeat(64)]) holds(validAuction(id), id);
  for (const id of ["", "x".repeat(65), "a b", "a/b", "ä", "a\n", "..", "<b>"]) holds(!validAuction(id), id);
});

test("keys are what a header can carry", () => {
  for (const key of ["a", "a b", "~!#", "x".repeat(256)]) holds(validKey(key), key);
  for (const key of ["", " a", "a ", "ä", "a\nb", "\u2013"]) holds(!validKey(key), key);
});
