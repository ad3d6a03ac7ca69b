/** Seeds of the simulator, in a process of their own: its hooks replace modules, which nobody else may notice. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const SEEDS = 250;
/** A seed by which each planted bug is caught; the table in docs/proofs/sim.md. */
const CAUGHT: readonly (readonly [string, number])[] = [
  ["a txn must only grow", 6],
  ["a check per partition only", 15],
  ["every winner is rebased over", 1],
  ["tentative ids are not undone", 2],
  ["ids of dead letters are remembered", 6],
  ["expiry by event time", 6],
  ["after an unknown outcome a later head is adopted", 17],
  ["an unknown outcome deletes files", 1],
  ["dead letters are written after the commit", 1],
  ["reading beyond the durable end", 6],
  ["idle by timer despite a backlog", 4],
  ["a cursor from the record instead of next", 10],
  ["retention past a cursor", 30],
  ["a projection rebases over another owner", 1],
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

test.each(CAUGHT)("planted: %s", { timeout: 60_000 }, (bug, seed) => {
  const { status, output } = sim("--seeds", `1..${seed}`, "--plant", bug);
  expect(status).toBe(1);
  expect(output).toContain("again: npm run sim -- ");
});
