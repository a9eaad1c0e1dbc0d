// When to connect again. Pure: the random number (0 to 1) is given.

const CLOSED_FOR_RESTART = 1012;
const FIRST_MS = 500;
const MOST_MS = 30_000;
const RESTART_MS = 2_000;

// How long to wait before attempt number `attempt` (0, 1, …) after a close with that code: doubling
// from 0.5 s to 30 s, half of it by chance, so that many viewers do not come back at the same
// moment. A server that restarts has let us go at a moment of its own choice: soon, in any case.
export function reconnectDelayMs(attempt, code, random) {
  if (code === CLOSED_FOR_RESTART && attempt === 0) return 100 + (RESTART_MS - 100) * random;
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return most / 2 + (most / 2) * random;
}
