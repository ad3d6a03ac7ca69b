/**
 * The short form of the promises that have a number: ready within two seconds, an accepted event visible to SQL
 * within 1.5 s (p99) at 2,000 events/s, a backlog landed in bounded memory. The long forms are `npm run bench:*`.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

async function bench(name: string, environment: Record<string, string>): Promise<Record<string, number>> {
  const { stdout } = await run(process.execPath, [`bench/${name}.ts`, "--json"], {
    env: { ...process.env, ...environment },
  });
  const { metrics } = JSON.parse(stdout) as { metrics: { name: string; value: number }[] };
  console.log(`${name}: ${JSON.stringify(metrics.map((metric) => [metric.name, Math.round(metric.value)]))}`);
  return Object.fromEntries(metrics.map((metric) => [metric.name, metric.value]));
}

test("ready within two seconds, also after kill -9", { timeout: 120_000 }, async () => {
  const figures = await bench("start", {});
  expect(figures["ready, empty folder, median"]).toBeLessThanOrEqual(2_000);
  expect(figures["ready after kill -9, 10,000 events, median"]).toBeLessThanOrEqual(2_000);
});

test("accepted to visible within 1.5 s (p99) at 2,000 events/s", { timeout: 120_000 }, async () => {
  const figures = await bench("freshness", { SECONDS: "10" });
  expect(figures["offered"]).toBeGreaterThan(1_800);
  expect(figures["accepted to visible, p99"]).toBeLessThanOrEqual(1_500);
});

test("a backlog lands within 800 MB", { timeout: 120_000 }, async () => {
  const figures = await bench("backlog", { EVENTS: "200000" });
  expect(figures["peak resident memory of the main process"]).toBeLessThanOrEqual(800);
  expect(figures["landed per CPU second of the main process"]).toBeGreaterThanOrEqual(25_000);
});
