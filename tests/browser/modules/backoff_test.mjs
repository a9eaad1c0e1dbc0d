import { equal, holds, test } from "./check.mjs";
import { reconnectDelayMs } from "/assets/backoff.mjs";

test("delays double from half a second to half a minute", () => {
  const longest = Array.from({ length: 9 }, (_, attempt) => reconnectDelayMs(attempt, 1006, 1));
  equal(longest, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  equal(reconnectDelayMs(100_000, 1006, 1), 30_000);
});

test("half of a delay is chance", () => {
  for (const attempt of [0, 3, 20]) {
    const most = reconnectDelayMs(attempt, 1006, 1);
    equal(reconnectDelayMs(attempt, 1006, 0), most / 2);
    holds(reconnectDelayMs(attempt, 1006, 0.5) > most / 2, "between");
  }
});

test("a server that restarts is returned to soon, but not by all at once", () => {
  equal(reconnectDelayMs(0, 1012, 0), 100);
  equal(reconnectDelayMs(0, 1012, 1), 2000);
  equal(reconnectDelayMs(4, 1012, 1), 8000, "when it goes on restarting");
});
