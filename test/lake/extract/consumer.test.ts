/**
 * The promise to the warehouse: whoever applies versions in order has, in the end, exactly the rows of the closed
 * windows, whatever came late, was erased, or was killed in between. The maker dies at any store operation, before or
 * after it took effect; the consumer dies at any request and starts again from its folder. The rows are compared with
 * plain DuckDB over the table's own files.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createApiApp } from "../../../api/app.ts";
import { Client } from "../../../api/cli/client.ts";
import type { Session } from "../../../api/cli/command.ts";
import { getExtract } from "../../../api/cli/extract-get.ts";
import { ManualClock } from "../../../core/clock.ts";
import { configSchema } from "../../../core/config.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import type { Registry } from "../../../core/registry.ts";
import { keepFeed } from "../../../lake/extract/keep-feed.ts";
import { ask, rowsOfFiles, rowsOfTable } from "./independent-rows.ts";
import { DAY_MS, FIRST_MS, makeSalesLake, salesFeed, type Sale, type SalesLake } from "./sales-lake.ts";

const DAYS = 3;
const signal = new AbortController().signal;
const runs = Number(process.env["EXTRACT_RUNS"] ?? 5);

let lake: SalesLake;
beforeAll(async () => {
  lake = await makeSalesLake();
});
afterAll(() => lake.close());

class Killed extends Error {}

const sale = (id: string, day: number): Sale => ({ id, atMs: FIRST_MS + day * DAY_MS + 5, cents: 1 });

function later(days: number): ManualClock {
  return new ManualClock(lake.clock.nowMs() + days * DAY_MS);
}

/** Works until its operation number `atCall`, which takes effect or not; from there on everything fails. */
function dying(store: ObjectStore, atCall: number, takesEffect: boolean): ObjectStore {
  let calls = 0;
  const die = async <T>(work: () => Promise<T>): Promise<T> => {
    if (calls > atCall) throw new Killed();
    if (calls++ < atCall) return work();
    if (takesEffect) await work();
    throw new Killed();
  };
  return {
    location: (name) => store.location(name),
    put: (name, bytes) => die(() => store.put(name, bytes)),
    putIfAbsent: (name, bytes) => die(() => store.putIfAbsent(name, bytes)),
    putIfMatch: (name, bytes, etag) => die(() => store.putIfMatch(name, bytes, etag)),
    get: (name) => die(() => store.get(name)),
    getRange: (name, at, length) => die(() => store.getRange(name, at, length)),
    head: (name) => die(() => store.head(name)),
    list: (name) => die(() => store.list(name)),
    delete: (name) => die(() => store.delete(name)),
  };
}

/** A consumer's session whose requests end at number `atRequest`. */
function sessionOf(over: SalesLake, feed: ReturnType<typeof salesFeed>, atRequest: number): Session {
  const ports = {
    ...over,
    registry: {} as Registry,
    authenticator: null,
    extracts: { feeds: [feed], tables: new Map(), linkMs: 1 },
    logger: silentLogger,
    log: {} as never,
  };
  const app = createApiApp(ports, { sqlBytes: 1, version: "0", sharing: configSchema.parse({}) });
  let requests = 0;
  const io = {
    signal,
    clock: over.clock,
    stderr: { write: () => true },
    environment: {},
    fetch: async (url: URL, init: RequestInit) => {
      if (requests++ >= atRequest) throw new Killed();
      const response = await app.fetch(new Request(url, init));
      // The last answer breaks off in the middle.
      if (requests < atRequest || !response.headers.has("repr-digest") || init.method === "HEAD")
        return response;
      const bytes = new Uint8Array(await response.arrayBuffer());
      let sent = false;
      const half = new ReadableStream({
        pull: (controller) => {
          if (sent) return controller.error(new Killed());
          sent = true;
          controller.enqueue(bytes.slice(0, Math.floor(bytes.length / 2)));
        },
      });
      return new Response(half, { status: response.status, headers: response.headers });
    },
  };
  const options = { url: "http://x", token: undefined, data: "." };
  return { io, say: () => {}, flags: {}, client: new Client(io as never, options) } as never;
}

type Step =
  | { readonly kind: "sales"; readonly days: readonly number[]; readonly closes: number }
  | { readonly kind: "erase"; readonly every: number }
  | { readonly kind: "make"; readonly atCall: number; readonly takesEffect: boolean }
  | { readonly kind: "get"; readonly atRequest: number }
  | { readonly kind: "keep"; readonly afterDays: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("sales" as const),
      days: fc.array(fc.nat(DAYS - 1), { minLength: 1, maxLength: 4 }),
      closes: fc.integer({ min: 0, max: DAYS }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("erase" as const), every: fc.integer({ min: 2, max: 4 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("make" as const),
      atCall: fc.oneof(fc.nat(20), fc.constant(1e9)),
      takesEffect: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("get" as const), atRequest: fc.nat(8) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("keep" as const), afterDays: fc.constantFrom(1, 200) }),
  },
);

test(
  "a consumer that is killed, restarted and given late data ends with exactly the rows",
  { timeout: 900_000 },
  async () => {
    let number = 0;
    let kills = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 4, maxLength: 10 }),
        fc.constantFrom("replace_partition" as const, "append" as const),
        async (steps, kind) => {
          const feed = salesFeed({ name: `feed_${number++}`, kind, retentionDays: 10 });
          const out = await mkdtemp(path.join(os.tmpdir(), "muara-consumer-"));
          let sales: Sale[] = [];
          let born = 0;
          let closed = 0;
          await lake.erase([]);
          const make = async (atCall: number, takesEffect: boolean): Promise<void> => {
            const maker = await lake.maker(feed, dying(lake.store, atCall, takesEffect));
            await maker.pass(signal).catch((error: unknown) => {
              if (!(error instanceof Killed)) throw error;
              kills++;
            });
          };
          const get = async (atRequest: number): Promise<void> => {
            await getExtract(sessionOf(lake, feed, atRequest), feed.name, out).catch((error: Error) => {
              if (atRequest > 1e6) throw error;
              kills++;
            });
          };
          const begin: readonly Step[] = [
            { kind: "sales", days: [0, 0, 1], closes: 2 },
            { kind: "make", atCall: 2, takesEffect: true },
          ];
          for (const one of [...begin, ...steps])
            switch (one.kind) {
              case "sales": {
                const more = one.days.map((day, i): Sale => {
                  const atMs = FIRST_MS + day * DAY_MS + ((born * 7_919 + i) % DAY_MS);
                  return { id: `s${number}-${born++}`, atMs, cents: 3 * i + sales.length };
                });
                sales = [...sales, ...more];
                closed = Math.max(closed, one.closes);
                await lake.land(more, FIRST_MS + closed * DAY_MS);
                break;
              }
              case "erase":
                sales = sales.filter((_, i) => i % one.every !== 0);
                await lake.erase(sales);
                break;
              case "make":
                await make(one.atCall, one.takesEffect);
                break;
              case "get":
                await get(one.atRequest);
                break;
              default: {
                const maker = await lake.maker(feed);
                await keepFeed(maker.store, later(one.afterDays), signal);
              }
            }
          await lake.land([], FIRST_MS + DAYS * DAY_MS);
          await make(1e9, false);
          await get(1e9);
          const expected = await rowsOfTable(lake, FIRST_MS, FIRST_MS + DAYS * DAY_MS);
          const files = (await readdir(path.join(out, feed.name), { recursive: true }))
            .filter((name) => name.endsWith(".parquet"))
            .map((name) => path.join(out, feed.name, name));
          expect(await rowsOfFiles(files)).toEqual(expected);
          await expectTotals(await lake.maker(feed));
          await rm(out, { recursive: true, force: true });
        },
      ),
      { numRuns: runs, endOnFailure: true }, // a step costs a process
    );
    expect(kills).toBeGreaterThanOrEqual(runs); // else nothing was tried
  },
);

/** Control totals of every window against SQL over the table's own files. */
async function expectTotals(maker: Awaited<ReturnType<SalesLake["maker"]>>): Promise<void> {
  const { windows } = await maker.store.state();
  const { files } = await lake.table.snapshot();
  const list = [...files.keys()].map((file) => `'${lake.store.location(`shop.sale/${file}`)}'`).join(", ");
  for (const { partition } of windows.values()) {
    const where = `event_time >= TIMESTAMPTZ '${partition.from}' AND event_time < TIMESTAMPTZ '${partition.until}'`;
    const sql =
      `SELECT count(*), coalesce(sum(amount), 0)::DECIMAL(38,2), count(DISTINCT event_id) ` +
      `FROM read_parquet([${list}]) WHERE ${where}`;
    const [row] = list === "" ? ["0|0.00|0"] : await ask(sql);
    const { window_rows: rows, window_totals: totals } = partition;
    expect(`${rows}|${totals["amount"]}|${totals["distinct_event_id"]}`).toBe(row);
  }
}

test(
  "after the versions between are gone, 410 names the full one, which stands for all of them",
  { timeout: 300_000 },
  async () => {
    const feed = salesFeed({ name: "expiring", retentionDays: 1 });
    await lake.erase([]);
    const maker = await lake.maker(feed);
    const versions: string[][] = [["a", "b"], ["c"], ["d"]];
    for (const ids of versions) {
      await lake.land(
        ids.map((id, day) => sale(id, day)),
        FIRST_MS + DAYS * DAY_MS,
      );
      await maker.pass(signal);
    }
    // Revisions 1 and 2 of the first day belong to nobody any more.
    expect(await keepFeed(maker.store, later(2), signal)).toEqual({ versions: 2, files: 2 });
    expect(await keepFeed(maker.store, later(2), signal)).toEqual({ versions: 0, files: 0 });
    expect(await maker.store.versions()).toEqual([3]);
    const out = await mkdtemp(path.join(os.tmpdir(), "muara-expired-"));
    const got = await getExtract(sessionOf(lake, feed, 1e9), feed.name, out);
    expect(got).toMatchObject({ version: 3, windows: 2, rows: 4 });
    const current = JSON.parse(await readFile(path.join(out, feed.name, "_current.json"), "utf8")) as {
      version: number;
    };
    expect(current.version).toBe(3);
    // The next version of a maker that was just started goes on from there.
    await lake.land([sale("e", 0)], FIRST_MS + DAYS * DAY_MS);
    await (await lake.maker(feed)).pass(signal);
    expect(await getExtract(sessionOf(lake, feed, 1e9), feed.name, out)).toMatchObject({
      version: 4,
      rows: 5,
    });
    await rm(out, { recursive: true, force: true });
  },
);

test(
  "of two makers of one version one wins, the other begins again on it",
  { timeout: 300_000 },
  async () => {
    const feed = salesFeed({ name: "raced" });
    await lake.erase([]);
    await lake.land([{ id: "x", atMs: FIRST_MS, cents: 1 }], FIRST_MS + DAYS * DAY_MS);
    // What they would write differs, so that it is seen whose it is.
    const makers = await Promise.all(
      [90, 91, 92].map((retentionDays) => lake.maker({ ...feed, retentionDays })),
    );
    const made = await Promise.all(makers.map((maker) => maker.pass(signal)));
    expect(made.reduce((sum, { published }) => sum + published, 0)).toBe(1);
    for (const maker of makers) {
      expect((await maker.pass(signal)).published).toBe(0);
      expect(await maker.store.versions()).toEqual([1]);
    }
  },
);
