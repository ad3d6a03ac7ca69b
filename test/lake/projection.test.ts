/** A projection consumes each version of its sources once, whoever else does the same and wherever it is cut off. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createMemoryObjectStore, type MemoryFault } from "../../adapters/memory/object-store.ts";
import { seededRandomness } from "../../core/clock.ts";
import type { Column } from "../../core/columns.ts";
import { hasCode } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import { Projection, type ProjectedStep } from "../../lake/projection.ts";
import { readColumns } from "../../lake/parquet/rows.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { ensureTable } from "../../lake/tables.ts";
import { SimulatedClock } from "../property/landing-world.ts";

const COLUMNS: readonly Column[] = ["source", "version"].map((name) => ({
  name,
  type: { kind: name === "source" ? ("string" as const) : ("long" as const) },
  nullable: true,
}));
const SOURCES = ["a", "b", "c"];
const VERSIONS = 12;

/** Rows of the versions that divide by 3 are none: such versions are consumed all the same. */
function stepOf(sourceId: string, from: number, to: number): ProjectedStep {
  const versions = Array.from({ length: to - from }, (_, i) => from + 1 + i).filter(
    (version) => version % 3 !== 0,
  );
  const rows = versions.map((version) => ({
    ingestMs: version * 40_000_000,
    values: { source: sourceId, version: BigInt(version) },
  }));
  return { sourceId, from, to, rows };
}

async function race(seed: number): Promise<void> {
  const random = seededRandomness(seed);
  let rate = 0;
  const faults = async (operation: string): Promise<MemoryFault | undefined> => {
    for (let turns = Math.floor(random.fraction() * 4); turns > 0; turns--) await Promise.resolve();
    if (random.fraction() >= rate) return undefined;
    if (!operation.startsWith("put")) return "lost";
    return random.fraction() < 0.5 ? "answer_lost" : { kind: "late", afterCalls: 9 };
  };
  const store = createMemoryObjectStore({ faults });
  const services = {
    clock: new SimulatedClock(),
    randomness: seededRandomness(seed + 1),
    logger: silentLogger,
  };
  const open = async (): Promise<Projection> => {
    const log = openTableLog(store, "projected", services);
    const snapshot = await ensureTable(log, "projected", COLUMNS, {}, services);
    return new Projection("projected", COLUMNS, log, snapshot, { ...services, store });
  };
  const work = async (): Promise<void> => {
    let projection: Projection | undefined;
    for (let turns = 0; turns < 60; turns++) {
      const limit = new AbortController();
      if (random.fraction() < 0.1) limit.abort();
      try {
        projection ??= await open();
        const own = projection;
        const chosen = SOURCES.filter(() => random.fraction() < 0.7);
        const steps = chosen.flatMap((source) => {
          const from = own.consumed(source);
          const to = Math.min(VERSIONS, from + 1 + Math.floor(random.fraction() * 3));
          return to > from ? [stepOf(source, from, to)] : [];
        });
        if (steps.length > 0 && !(await projection.append(steps, limit.signal))) await projection.refresh();
      } catch (error) {
        if (!hasCode(error, "store.unavailable") && !hasCode(error, "table.commit_unknown")) throw error;
        projection = undefined; // as after a crash
      }
    }
  };
  await open();
  rate = 0.15;
  await Promise.all([work(), work()]);
  rate = 0;
  store.applyLate();
  const last = await open();
  for (const source of SOURCES)
    if (last.consumed(source) < VERSIONS)
      await last.append([stepOf(source, last.consumed(source), VERSIONS)], new AbortController().signal);
  const snapshot = await openTableLog(store, "projected", services).snapshot();
  const found: string[] = [];
  for (const { path } of snapshot.files.values()) {
    const columns = await readColumns((await store.get(`projected/${path}`))!, ["source", "version"]);
    columns["source"]!.forEach((source, i) =>
      found.push(`${String(source)}${String(columns["version"]![i])}`),
    );
  }
  const expected = SOURCES.flatMap((source) =>
    stepOf(source, -1, VERSIONS).rows.map(({ values }) => `${source}${String(values["version"])}`),
  );
  expect(found.sort()).toEqual(expected.sort());
}

test("two owners racing under faults consume every version once", async () => {
  await fc.assert(fc.asyncProperty(fc.nat(), race), { numRuns: 25 });
});
