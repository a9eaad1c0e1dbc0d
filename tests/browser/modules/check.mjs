// What the module tests say with: test(name, body), equal(seen, wanted). run() gives the failures.

const tests = [];

export function test(name, body) {
  tests.push([name, body]);
}

const text = (value) =>
  JSON.stringify(value, (_, part) => (typeof part === "number" && !Number.isFinite(part) ? `${part}` : part));

export function equal(seen, wanted, what = "") {
  if (text(seen) !== text(wanted)) throw new Error(`${what} is ${text(seen)}, not ${text(wanted)}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

// {count, failures: ["name: what was wrong"]}
export async function run() {
  const failures = [];
  for (const [name, body] of tests) {
    try {
      await body();
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
    }
  }
  return { count: tests.length, failures };
}
