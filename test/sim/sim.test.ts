/** Seeds of the simulator, in a process of their own: its hooks replace modules, which nobody else may notice. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const SEEDS = 250;
/** Seeds within which each planted bug must be caught; the run ends at the first that does. */
const WITHIN = 200;
const PLANTED: readonly string[] = [
  "a txn must only grow",
  "a check per partition only",
  "every winner is rebased over",
  "tentative ids are not undone",
  "ids of dead letters are remembered",
  "expiry by event time",
  "after an unknown outcome a later head is adopted",
  "an unknown outcome deletes files",
  "dead letters are written after the commit",
  "reading beyond the durable end",
  "idle by timer despite a backlog",
  "a cursor from the record instead of next",
  "retention past a cursor",
  "a projection rebases over another owner",
];

function sim(...given: string[]): { status: number | null; output: string } {
  const done = spawnSync(process.execPath, ["test/sim/run.ts", ...given], { encoding: "utf8" });
  return { status: done.status, output: done.stdout + done.stderr };
}

function historyOf(seed: string): string {
  return sim(seed, "--json").output.replace(/"cpuSeconds":[\d.]+,/, "");
}

test(`${SEEDS} seeds keep every invariant`, { timeout: 300_000 }, () => {
  const { status, output } = sim("--seeds", `1..${SEEDS}`, "--json");
  expect(status, output).toBe(0);
  const { faults } = JSON.parse(output) as { faults: Record<string, number> };
  expect(Object.entries(faults).filter(([, count]) => count === 0)).toEqual([]);
});

test("a seed is a history: twice the same", { timeout: 60_000 }, () => {
  expect(historyOf("7")).toBe(historyOf("7"));
});

test.each(PLANTED)("planted: %s", { timeout: 60_000 }, (bug) => {
  const { status, output } = sim("--seeds", `1..${WITHIN}`, "--plant", bug);
  expect(status).toBe(1);
  expect(output).toContain("again: npm run sim -- ");
});
