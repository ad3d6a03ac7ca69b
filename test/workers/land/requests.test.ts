/**
 * What landing asks of a store, counted: on S3 each is a request that is paid for. The counts stand in docs/COST.md and
 * must not grow with the number of commits.
 */
import process from "node:process";
import { expect, test } from "vitest";
import { createProjector } from "../../../workers/land/projector.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { declare, event, eventType, install, never, OPTIONS, send } from "./setup.ts";

const COMMITS = 300;

/** By kind, and for a commit each. */
function perCommit(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].map(([kind, count]) => [kind, count / COMMITS]));
}

const total = (found: Record<string, number>): number => Object.values(found).reduce((a, b) => a + b, 0);

test("requests of a commit and of its projections, checkpoints included", async () => {
  let counts = new Map<string, number>();
  const at = await install((operation) => {
    const kind = operation.startsWith("put") ? "put" : operation;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return undefined;
  });
  await declare(at, eventType());
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  const commit = async (from: number): Promise<void> => {
    for (let n = from; n < from + COMMITS; n++) {
      await send(at, [event(n)]);
      at.clock.advance(500);
      await landing.step(never);
    }
  };
  await commit(0);
  counts = new Map();
  await commit(COMMITS);
  const first = perCommit(counts);
  counts = new Map();
  await commit(2 * COMMITS);
  const second = perCommit(counts);
  const projector = createProjector(at.ports);
  while (await projector.pass(never));
  counts = new Map();
  for (let n = 0; n < COMMITS; n++) {
    await send(at, [event(10_000 + n)]);
    at.clock.advance(500);
    await landing.step(never);
    if (n % 2 === 1) await projector.pass(never); // each second
  }
  const both = perCommit(counts);
  landing.discard();
  process.stderr.write(
    `requests of a commit: ${JSON.stringify(second)}, with books: ${JSON.stringify(both)}\n`,
  );
  // The data file, the commit; a table checkpoint and what names it once in a hundred.
  expect(second["put"]).toBeLessThan(2.1);
  expect(total(second)).toBeLessThan(total(first) * 1.1 + 0.1);
  expect(total(both)).toBeLessThan(12);
}, 120_000);
