/** Changes that land, are merged now and then, and are asked for all the time: always what the plain fold says. */
import { inspect, isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { type Change, capturedType } from "./changes.ts";
import { history, Model, type ModelRow, SHARDS } from "./model.ts";
import { World } from "./world.ts";

const RUNS = Number(process.env["MERGE_RUNS"] ?? 4);
const PROPERTIES = {
  id: { type: "integer" },
  bio: { type: "string" },
  amount: { type: "string", format: "decimal(12,2)" },
  data_source: { type: "string" },
};
const TYPE = capturedType(PROPERTIES);
const TYPED = Object.keys(PROPERTIES);

let world: World | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

const ROWS = `SELECT event_key, source.shard, source.lsn, source.index, source.unchanged, id, bio, amount,
  data_source, extra FROM "shop1.public.accounts.current"`;

async function seen(at?: string): Promise<readonly ModelRow[]> {
  const { rows } = await world!.rows(ROWS, at);
  const found = rows.map(([key, shard, lsn, index, unchanged, ...rest]): ModelRow => {
    const extra = JSON.parse((rest[4] as string | null) ?? "{}") as { data?: Record<string, unknown> };
    const typed = Object.fromEntries(TYPED.map((name, i) => [name, textOf(rest[i])]));
    const values = { ...typed, ...extra.data };
    const place = { lsn: Number(lsn), index: Number(index) };
    return {
      key: String(key),
      shard: String(shard),
      ...place,
      values,
      unknown: (unchanged ?? []) as string[],
    };
  });
  return found.toSorted(byKey);
}

function expected(changes: readonly Change[]): readonly ModelRow[] {
  const model = new Model();
  for (const change of changes) model.apply(change);
  return model
    .rows()
    .map(({ values, ...row }) => {
      const typed = Object.fromEntries(TYPED.map((name) => [name, textOf(values[name])]));
      return { ...row, values: { ...values, ...typed } };
    })
    .toSorted(byKey);
}

function byKey(a: ModelRow, b: ModelRow): number {
  return `${a.shard}${a.key}` < `${b.shard}${b.key}` ? -1 : 1;
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null ? null : `${value as string | number | bigint}`;
}

function check(actual: readonly ModelRow[], wanted: readonly ModelRow[], where: string): void {
  if (isDeepStrictEqual(actual, wanted)) return;
  throw new Error(`${where}: ${inspect(actual, { depth: 9 })} is not ${inspect(wanted, { depth: 9 })}`);
}

const script = fc.record({
  changes: history,
  /** After so many changes: what lands is looked at, and merged by nobody, by one, or by several at a time. */
  stops: fc.array(fc.record({ at: fc.nat({ max: 90 }), who: fc.subarray([0, 1, 2, 3]) }), { maxLength: 5 }),
  partitions: fc.constantFrom(1, 2),
});

/** One slice, or those that are linked, in a commit, and then another has the turn. */
const BRIEF = { rowsAtOnce: 1, stepMs: 0, turnMs: 0 };

test("whatever lands is seen at once, and stays so when it is merged, by one or by several", async () => {
  let merged = 0;
  let steps = 0;
  await fc.assert(
    fc.asyncProperty(script, async ({ changes, stops, partitions }) => {
      world = await World.open(TYPE, partitions);
      const mergers = [{}, { rowsAtOnce: 3 }, BRIEF, BRIEF].map((options) => world!.merger(options));
      try {
        let from = 0;
        const ordered = stops.toSorted((a, b) => a.at - b.at);
        for (const { at, who } of [
          ...ordered,
          { at: changes.length, who: [2] },
          { at: Infinity, who: [0] },
        ]) {
          const to = Math.max(from, Math.min(at, changes.length));
          await world.send(
            changes.slice(from, to),
            ({ shard }) => SHARDS.indexOf(shard as "shop1") % partitions,
          );
          await world.land();
          const wanted = expected(changes.slice(0, to));
          if (from !== to) check(await seen(), wanted, `landed ${to}`);
          const done = await Promise.all(who.map((i) => world!.merge(mergers[i])));
          merged += done.filter((one) => one.changes > 0).length;
          steps += done.filter((one) => one.steps > 0 && one.changes === 0).length;
          check(await seen(), wanted, `merged ${to}`);
          from = to;
        }
      } finally {
        await world.close();
        world = undefined;
      }
    }),
    { numRuns: RUNS },
  );
  expect(merged).toBeGreaterThan(0);
  expect(steps).toBeGreaterThan(0);
}, 400_000);
