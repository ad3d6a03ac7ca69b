/**
 * The notebooks over the demo's shop, landed by a real Muara: its lake in a folder, by a share of it, and on S3; then
 * again when 24 hours more have been sold. Every figure is what `/v1/sql` answers to the same statement, and the shop
 * being the same, what does not depend on the time of arrival is the same everywhere.
 */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../core/clock.ts";
import { createDemo, type DemoState, type DemoWorker } from "../../workers/demo/worker.ts";
import { runMuara } from "../services/command.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type Figures, runNotebooks } from "../services/notebooks.ts";
import { pythonEnvironment } from "../services/python.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const HOUR_MS = 3_600_000;
/** The shop's time: fixed, so that the same is sold in each run. */
const START_MS = Date.UTC(2026, 2, 3, 12);
const SHARED = ["ORDER_CREATED", "PARCEL_SHIPPED", "books"];
const FIGURES = {
  "01_first_look": 3,
  "02_order_velocity": 3,
  "03_sla_48h": 4,
  "04_time_travel_and_sharing": 7,
};
/** Everywhere also before the day has passed: twelve kernels more. */
const IS_LONG = process.env["MUARA_LONG"] === "1";

let server: S3Server;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  await pythonEnvironment("notebooks");
  server = await startS3();
}, 900_000);
afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
  await server.stop();
});

interface Shop {
  readonly muara: MuaraProcess;
  readonly folder: string;
  /** Sells until then, and waits until all of it has landed. */
  sell(untilMs: number): Promise<void>;
}

async function openShop(environment: Readonly<Record<string, string>>): Promise<Shop> {
  const folder = await temporaryFolder("notebooks");
  cleanups.push(folder.remove);
  const muara = await startMuara(join(folder.path, "data"), environment);
  cleanups.push(() => muara.kill());
  let nowMs = START_MS;
  let state: DemoState | undefined;
  const clock: Clock = { ...systemClock, nowMs: () => nowMs };
  const demo: DemoWorker = createDemo(
    {
      clock,
      post: (path, body) => muara.fetch(path, { method: "POST", body }),
      load: () => Promise.resolve(state),
      save: (saved) => {
        state = saved;
        return Promise.resolve();
      },
    },
    { seed: 7, ordersPerMinute: 8 },
  );
  const sell = async (untilMs: number): Promise<void> => {
    nowMs = untilMs;
    await demo.prepare(new AbortController().signal, () => undefined);
    const startedMs = performance.now();
    await eventually("everything has landed", 60_000, () => isSettled(muara));
    // A pause that is twice as long as landing took: its middle is a moment at which nothing was under way.
    await new Promise((resolve) => setTimeout(resolve, performance.now() - startedMs + 1_000));
  };
  return { muara, folder: folder.path, sell };
}

async function isSettled(muara: MuaraProcess): Promise<boolean> {
  const answer = await muara.fetch("/v1/books");
  const { items, balanced } = (await answer.json()) as { items: { in_flight: number }[]; balanced: boolean };
  const landed = await muara.sql("SELECT event_type, sum(landed) FROM books GROUP BY 1");
  const rows = await muara.sql("SELECT 'ORDER_CREATED', count(*) FROM ORDER_CREATED");
  const isBooked = rows.every(([type, count]) => landed.some(([of, sum]) => of === type && sum === count));
  return balanced && isBooked && items.length >= 5 && items.every((item) => item.in_flight === 0);
}

async function share({ muara, folder }: Shop): Promise<string> {
  const profile = join(folder, "science.share");
  const at = ["--url", muara.url, "--token", muara.token];
  const tables = SHARED.flatMap((name) => ["--table", `${name}=shop.${name}`]);
  for (const step of [
    ["share", "create", "sales", ...tables, "--history"],
    ["share", "recipient", "sales", "science", "--expires", "1h", "--to", profile],
  ]) {
    const { code, err } = await runMuara([...step, ...at]);
    expect(code, err).toBe(0);
  }
  return profile;
}

const sum = (figures: Figures, notebook: string, figure: string, column: number): number =>
  figures[`${notebook}.ipynb`]![figure]!.reduce((total, row) => total + Number(row[column]), 0);

/** What does not depend on when an event came. */
function ofEventTime(figures: Figures): unknown {
  const look = figures["01_first_look.ipynb"]!;
  const sla = figures["03_sla_48h.ipynb"]!;
  return [look["countries"], look["categories"], sla["ageing"], sla["at_risk"], sla["survival"]];
}

/** What depends on rows alone: upkeep may have committed a version between two runs, so the one before is another. */
function ofRows(figures: Figures): Figures {
  const travel = Object.entries(figures["04_time_travel_and_sharing.ipynb"]!);
  const kept = travel.filter(([name]) => name !== "at_before");
  return { ...figures, "04_time_travel_and_sharing.ipynb": Object.fromEntries(kept) };
}

const breaches = (figures: Figures): number =>
  figures["03_sla_48h.ipynb"]!["at_risk"]!.filter((row) => row.at(-1) === "True").length;

function checkCounts(figures: Figures): void {
  const counts = Object.entries(figures).map(([name, found]) => [name, Object.keys(found).length]);
  expect(counts).toEqual(Object.entries(FIGURES).map(([name, count]) => [`${name}.ipynb`, count]));
}

test("notebooks are kept without outputs", () => {
  const folder = fileURLToPath(new URL("../../notebooks", import.meta.url));
  const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));
  expect(names).toEqual(Object.keys(FIGURES).map((name) => `${name}.ipynb`));
  for (const name of names) {
    const { cells } = JSON.parse(readFileSync(join(folder, name), "utf8")) as {
      cells: { cell_type: string; outputs?: unknown[]; execution_count?: number | null }[];
    };
    const kept = cells.filter((cell) => cell.cell_type === "code");
    expect(kept.length).toBeGreaterThan(4);
    for (const cell of kept) expect([cell.outputs, cell.execution_count], name).toEqual([[], null]);
  }
});

describe("the notebooks", () => {
  test(
    "show what SQL says, in a folder, shared and on S3, and a day later",
    { timeout: 1_200_000 },
    async () => {
      const keys = {
        AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      };
      const lake = await server.freshAddress("lake");
      const [near, far] = [await openShop({}), await openShop({ MUARA_LAKE: lake, ...keys })];
      for (const untilMs of [START_MS - 6 * HOUR_MS, START_MS])
        await Promise.all([near, far].map((shop) => shop.sell(untilMs)));
      const places: readonly [Shop, string, Readonly<Record<string, string>>][] = [
        [near, join(near.folder, "data"), {}],
        [near, await share(near), {}],
        [far, lake, keys],
      ];
      const runAll = async (chosen: typeof places): Promise<Figures> => {
        const runs: Figures[] = [];
        for (const [shop, place, environment] of chosen) {
          const folder = join(shop.folder, "notebooks");
          runs.push(await runNotebooks({ muara: shop.muara, lake: place, folder, environment }));
        }
        for (const figures of runs) {
          checkCounts(figures);
          assert.deepEqual(ofEventTime(figures), ofEventTime(runs[0]!));
        }
        // The same lake, read in two ways.
        if (runs.length > 1) assert.deepEqual(ofRows(runs[1]!), ofRows(runs[0]!));
        return runs[0]!;
      };
      const first = await runAll(IS_LONG ? places : places.slice(0, 1));
      await Promise.all([near, far].map((shop) => shop.sell(START_MS + 24 * HOUR_MS)));
      const second = await runAll(places);
      expect(sum(first, "01_first_look", "countries", 1)).toBeGreaterThan(1_000);
      expect(sum(second, "01_first_look", "countries", 1)).toBeGreaterThan(
        1.3 * sum(first, "01_first_look", "countries", 1),
      );
      // Two in a hundred parcels are never shipped: with each hour another few promises are broken.
      expect(breaches(first)).toBeGreaterThan(0);
      expect(breaches(second)).toBeGreaterThan(3 * breaches(first));
    },
  );
});
