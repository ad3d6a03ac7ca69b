/** The newest log lines in memory: how many, in which order, of what level, and how long ones are kept. */
import { expect, test } from "vitest";
import { type LogRing, ringLogger } from "../../core/log-ring.ts";
import { createLogger } from "../../core/logger.ts";

const LINES = 1_000;

function ringOf(): { ring: LogRing; written: string[] } {
  const written: string[] = [];
  const next = createLogger(
    (line) => written.push(line),
    "warn",
    () => 0,
  );
  return { ring: ringLogger(next, () => 0), written };
}

const numbers = (ring: LogRing, limit: number): unknown[] => ring.recent(limit).map(({ n }) => n);

test("the newest lines are there, oldest first, through each turn of the ring", () => {
  const { ring } = ringOf();
  for (let n = 0; n < LINES; n++) ring.logger.info("x", { n });
  expect(numbers(ring, LINES)[0]).toBe(0);
  expect(numbers(ring, 3)).toEqual([997, 998, 999]);
  for (let n = LINES; n < 2 * LINES; n += 10) {
    for (let more = 0; more < 10; more++) ring.logger.info("x", { n: n + more });
    expect(numbers(ring, 2)).toEqual([n + 8, n + 9]);
  }
  ring.logger.info("x", { n: 2 * LINES });
  expect(numbers(ring, 5_000)).toEqual(Array.from({ length: LINES }, (_, at) => LINES + 1 + at));
  expect(ring.recent(0)).toEqual([]);
});

test("of what is asked for the newest come, however much else was said since", () => {
  const { ring } = ringOf();
  for (let n = 0; n < 500; n++) ring.logger.with({ job: n % 100 === 0 ? "own" : "other" }).info("x", { n });
  expect(ring.recent(2, ({ job }) => job === "own").map(({ n }) => n)).toEqual([300, 400]);
});

test("it keeps from info on, whatever is written, and no secret", () => {
  const { ring, written } = ringOf();
  for (const level of ["debug", "info", "warn", "error"] as const)
    ring.logger.with({ service: "s" })[level](level, { api_token: "canary" });
  expect(ring.recent(9)).toMatchObject(
    ["info", "warn", "error"].map((level) => ({
      level,
      message: level,
      service: "s",
      api_token: "[redacted]",
    })),
  );
  expect(written.length).toBe(2);
});

test("a long line keeps whose it is, and the beginning of what it says", () => {
  const { ring } = ringOf();
  const problem = `cannot read ${"y".repeat(4_000)}`;
  ring.logger.with({ service: "stream", job: "totals" }).error("a job has stopped", { problem, n: 1 });
  expect(ring.recent(1, ({ job }) => job === "totals")).toEqual([
    {
      time: "1970-01-01T00:00:00.000Z",
      level: "error",
      message: "a job has stopped",
      service: "stream",
      job: "totals",
      problem: problem.slice(0, 1_000),
      n: 1,
      shortened: true,
    },
  ]);
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`t${n}`, "y".repeat(900)]));
  ring.logger.with({ job: "totals" }).error("m".repeat(2_000), many);
  const [line] = ring.recent(1);
  expect(line).toMatchObject({ job: "totals", shortened: true, message: "m".repeat(1_000) });
  expect(JSON.stringify(line).length).toBeLessThan(2_048);
  const fits = "z".repeat(3_900);
  ring.logger.info("whole", { fits });
  expect(ring.recent(1)[0]).toMatchObject({ fits });
});
