import { equal, holds, test } from "./check.mjs";
import { MINUTE, START, observed, range, snapshot } from "./snapshots.mjs";
import { addLengths, chooseStep, makeSeries, timeTicks } from "/assets/series.mjs";

const HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const real = ({ points }) => points.filter((point) => !point.hole);
const holes = ({ points }) => points.filter((point) => point.hole);

test("a snapshot is a minute, unless it says how long it was observed", () => {
  equal(addLengths([snapshot(1, 5)]), [{ from: START, to: START + MINUTE }]);
  const short = snapshot(1, 5, observed(1200, true));
  equal(addLengths([short])[0].from, START + MINUTE - 1200);
});

test("a minute with a part missing is as long as the others", () => {
  const spans = addLengths([snapshot(1, 5, observed(MINUTE, true)), snapshot(3, 5, observed(20_000, false))]);
  equal(spans[1], { from: START + 2 * MINUTE, to: START + 3 * MINUTE });
});

test("no two snapshots stand for the same time", () => {
  const close = [snapshot(1, 5), snapshot(1.25, 5)];
  equal(addLengths(close)[1], { from: START + MINUTE, to: START + 1.25 * MINUTE });
});

test("nothing is a series of nothing", () => equal(makeSeries([], 100), { step: 0, points: [] }));

test("few snapshots are a point each, in the middle of their minute", () => {
  const series = makeSeries(range(1, 4).map((minute) => snapshot(minute, minute)), 100);
  equal(series.step, 0);
  equal(series.points.map(({ x, average, count }) => [x - START, average, count]),
    [[30_000, 1, 1], [90_000, 2, 1], [150_000, 3, 1]]);
});

test("missing minutes are a hole, not a line and not zeros", () => {
  const series = makeSeries([1, 2, 6, 7].map((minute) => snapshot(minute, 5)), 100);
  equal(series.points.map((point) => Boolean(point.hole)), [false, false, true, false, false]);
  equal(holes(series)[0], { x: START + 3.5 * MINUTE, hole: true, average: null, peak: null, minimum: null });
  holds(real(series).every((point) => !point.alone), "none is alone");
});

test("one missing minute is a hole too, a late second is none", () => {
  equal(holes(makeSeries([1, 3].map((minute) => snapshot(minute, 5)), 100)).length, 1);
  equal(holes(makeSeries([1, 2 + 1 / 60, 3].map((minute) => snapshot(minute, 5)), 100)).length, 0);
});

test("a point with a hole, or nothing, on both sides is alone", () => {
  const series = makeSeries([1, 5, 9, 10].map((minute) => snapshot(minute, 5)), 100);
  equal(real(series).map((point) => point.alone), [true, true, false, false]);
  equal(makeSeries([snapshot(1, 5)], 100).points[0].alone, true);
});

test("many are put together: highest, lowest, average by samples, none lost", () => {
  const all = range(1, 1441).map((minute) => snapshot(minute, minute % 7, {
    peakViewers: minute === 700 ? 99 : 10, minViewers: minute === 701 ? 0 : 1, sampleCount: minute % 2 ? 12 : 6 }));
  const series = makeSeries(all, 200);
  equal(series.step, 10 * MINUTE);
  equal(series.points.length, 144);
  equal(series.points.reduce((sum, point) => sum + point.count, 0), 1440);
  equal(Math.max(...series.points.map((point) => point.peak)), 99);
  equal(Math.min(...series.points.map((point) => point.minimum)), 0);
  const ten = all.slice(0, 10);
  const sum = ten.reduce((total, one) => total + one.avgViewers * one.sampleCount, 0);
  equal(series.points[0].average, sum / ten.reduce((total, one) => total + one.sampleCount, 0));
});

test("ninety days of minutes become few points, with their hole", () => {
  const all = range(0, 129_600).filter((minute) => minute < 60_000 || minute >= 70_000).map((minute) => snapshot(minute, 5));
  for (const most of [200, 600, 1200]) {
    const series = makeSeries(all, most);
    holds(real(series).length <= most, `${real(series).length} points of ${most}`);
    holds(real(series).length > most / 4, `${real(series).length} points of ${most}`);
    equal(holes(series).length, 1, "holes");
    equal(real(series).reduce((sum, point) => sum + point.count, 0), all.length);
    holds(series.points.every((point, i) => !i || point.x > series.points[i - 1].x), "x grows");
  }
});

test("steps are round and enough, for any length of time", () => {
  equal(chooseStep(200, 400 * DAY, 200), 0);
  equal(chooseStep(1440, DAY, 600), 5 * MINUTE);
  equal(chooseStep(129_600, 90 * DAY, 600), 4 * HOUR);
  for (const days of [1, 7, 30, 90, 1000, 5000]) {
    const step = chooseStep(days * 1440, days * DAY, 200);
    holds(days * DAY / step <= 199, `${days} days`);
  }
});

test("time marks are round local times within the axis", () => {
  const from = new Date(2026, 2, 1, 9, 58, 30).getTime(), to = new Date(2026, 2, 1, 13, 3).getTime();
  const { unit, times } = timeTicks(from, to, 8);
  equal(unit, "Minutes");
  equal(times.map((time) => new Date(time).toTimeString().slice(0, 5)),
    ["10:00", "10:30", "11:00", "11:30", "12:00", "12:30", "13:00"]);
});

test("time marks of days lie at local midnight", () => {
  const from = new Date(2026, 2, 1, 9).getTime();
  const { unit, times } = timeTicks(from, from + 90 * DAY, 8);
  equal(unit, "Date");
  holds(times.length >= 4 && times.length <= 8, `${times.length} marks`);
  holds(times.every((time) => new Date(time).getHours() === 0), "midnight");
});

test("time marks are never many, whatever the length", () => {
  for (const length of [1200, 5000, MINUTE, HOUR, DAY, 7 * DAY, 90 * DAY, 4000 * DAY])
    for (const most of [2, 4, 12]) {
      const { times } = timeTicks(START + 1, START + 1 + length, most);
      holds(times.length <= most, `${times.length} marks of ${most} in ${length} ms`);
      holds(times.every((time) => time > START && time <= START + 1 + length), "within");
    }
});
