/**
 * Random histories of one event type: it is declared anew with more, events are published under any version that there
 * was, and owners land that know old versions or new ones, also two at once. In the end the rows are what a plain map
 * of what was published says. `MUARA_SEED=n` replays one history.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { seededRandomness, systemClock } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import { type EventType, parseEventType } from "../../core/event-type.ts";
import { openEngine } from "../../lake/query/session.ts";
import { viewStatements } from "../../lake/query/view.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import { judgeRedeclaration } from "../../workers/ingest/redeclare.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import {
  counter,
  declare,
  type Installation,
  install,
  never,
  OPTIONS,
  send,
  uuid,
} from "../workers/land/setup.ts";

type Json = Record<string, unknown>;
interface Shape {
  readonly type: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
}

const TABLE = "order.created";
const SEEDS = Number(process.env["MUARA_SEEDS"] ?? 8);
const FIRST_SEED = Number(process.env["MUARA_SEED"] ?? 1);
const STEPS = 14;
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

const START: Shape = {
  type: "object",
  properties: {
    n: { type: "integer" },
    state: { type: "string", enum: ["a", "b"] },
    place: { type: "object", properties: { city: { type: "string" } } },
    items: { type: "array", items: { type: "object", properties: { sku: { type: "string" } } } },
  },
};
const FRESH: readonly Shape[] = [
  { type: "string" },
  { type: "boolean" },
  { type: "integer" },
  { type: "number", format: "decimal(12,3)" },
  { type: "array", items: { type: "integer" } },
  { type: "object", properties: { x: { type: "integer" } } },
];

class History {
  readonly random: ReturnType<typeof seededRandomness>;
  readonly versions: EventType[] = [];
  readonly shapes: Shape[] = [];
  /** What was published, by id. */
  readonly model = new Map<string, Json>();
  readonly counts = { grown: 0, widened: 0, waited: 0, races: 0, refused: 0 };
  #fields = 0;

  constructor(seed: number) {
    this.random = seededRandomness(seed);
  }

  pick(count: number): number {
    return Math.floor(this.random.fraction() * count);
  }

  /** A change that takes nothing away. */
  grow(shape: Shape): Shape {
    const name = `f${++this.#fields}`;
    const fresh = FRESH[this.pick(FRESH.length)]!;
    const properties = shape.properties!;
    const { place, items, state, n } = properties as Record<string, Shape>;
    const inside = (of: Shape): Shape => ({ ...of, properties: { ...of.properties, [name]: fresh } });
    switch (this.pick(6)) {
      case 0:
        return { ...shape, properties: { ...properties, place: inside(place!) } };
      case 1:
        return {
          ...shape,
          properties: { ...properties, items: { ...items!, items: inside(items!.items!) } },
        };
      case 2:
        return {
          ...shape,
          properties: { ...properties, state: { ...state!, enum: [...state!.enum!, name] } },
        };
      case 3: {
        // One of the two that files are written anew for.
        const format = n!.format === undefined ? "decimal(24,2)" : "decimal(30,4)";
        if (n!.format === "decimal(30,4)" || this.pick(2) === 0) return inside(shape);
        return { ...shape, properties: { ...properties, n: { type: "number", format } } };
      }
      default:
        return inside(shape);
    }
  }

  /** A change that does. */
  spoil(shape: Shape): Shape {
    const { n: _n, ...others } = shape.properties!;
    const spoilt: Readonly<Record<string, Shape>>[] = [
      others,
      { ...shape.properties, n: { type: "boolean" } },
      { ...shape.properties, state: { type: "string", enum: ["a"] } },
      { ...others, m: { type: "integer" } },
    ];
    return { ...shape, properties: spoilt[this.pick(spoilt.length)]! };
  }

  valueOf(shape: Shape): unknown {
    if (shape.enum) return shape.enum[this.pick(shape.enum.length)];
    switch (shape.type) {
      case "integer":
        return this.pick(1_000_000);
      case "number":
        return this.pick(10_000) / 100;
      case "boolean":
        return this.pick(2) === 0;
      case "string":
        return `t"${this.pick(100)}`;
      case "array":
        return Array.from({ length: 1 + this.pick(2) }, () => this.valueOf(shape.items!));
      default: {
        const entries = Object.entries(shape.properties!);
        const kept = entries.filter((_, i) => i === 0 || this.pick(4) > 0);
        return Object.fromEntries(kept.map(([name, inner]) => [name, this.valueOf(inner)]));
      }
    }
  }
}

const declared = (shape: Shape): Json => ({
  name: TABLE,
  owning_application: "test",
  category: "business",
  schema: { type: "json_schema", schema: JSON.stringify(shape), version: "1.0.0" },
});

/** Lands what it may, as an owner that knows `type`. @returns whether it has to wait for a newer one */
async function land(at: Installation, type: EventType): Promise<boolean> {
  let landing: TableLanding | undefined;
  try {
    landing = await TableLanding.open(at.ports, OPTIONS, type);
    while ((await landing.step(never)).hasBacklog);
    return false;
  } catch (error) {
    // Somebody else evolved the table, or landed, meanwhile: the worker would open it anew.
    if (hasCode(error, "land.fenced") || hasCode(error, "table.commit_conflict")) return false;
    if (hasCode(error, "land.schema_unknown")) return true;
    throw error;
  } finally {
    landing?.discard();
  }
}

async function publish(at: Installation, history: History): Promise<void> {
  // A door may be behind, too: by two versions at most here.
  const newest = history.versions.length - 1;
  const version = Math.max(0, newest - history.pick(3));
  const documents = Array.from({ length: 1 + history.pick(4) }, () => {
    const id = uuid(history.model.size + 1);
    const value = history.valueOf(history.shapes[version]!) as Json;
    history.model.set(id, value);
    return { ...value, metadata: { eid: id, occurred_at: "2026-03-01T22:00:00Z" } };
  });
  const header = JSON.stringify({ flow_id: "f", schema_version: history.versions[version]!.schema.version });
  await send(
    at,
    documents.map((one) => ({ payload: new TextEncoder().encode(JSON.stringify(one)), header })),
    history.pick(2),
  );
}

async function step(at: Installation, history: History): Promise<void> {
  const { versions, shapes, counts } = history;
  const newest = versions.at(-1)!;
  const some = (): EventType => versions[history.pick(versions.length)]!;
  const judge = (shape: Shape): ReturnType<typeof judgeRedeclaration> =>
    judgeRedeclaration({
      before: newest,
      earlier: versions.slice(0, -1).map(({ schema }) => schema),
      input: declared(shape),
      isAdmin: false,
    });
  switch (history.pick(5)) {
    case 0: {
      const shape = history.grow(shapes.at(-1)!);
      const judged = judge(shape);
      assert.equal(judged.verdict, "compatible", JSON.stringify(judged.changes));
      counts.grown++;
      counts.widened += judged.columns.widened.length;
      versions.push(judged.type);
      shapes.push(shape);
      return;
    }
    case 1:
      assert.equal(judge(history.spoil(shapes.at(-1)!)).verdict, "incompatible");
      counts.refused++;
      return;
    case 2: {
      const waited = await Promise.all([land(at, some()), land(at, some())]);
      counts.races++;
      counts.waited += waited.filter(Boolean).length;
      return;
    }
    case 3:
      counts.waited += Number(await land(at, some()));
      return;
    default:
      return publish(at, history);
  }
}

/** What is there, without what is not. Numbers are compared as numbers: a decimal is text here. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value)) return Number(value);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(kept.map(([name, inner]) => [name, plain(inner)]));
}

async function rowsOf(at: Installation, names: readonly string[]): Promise<Map<string, unknown>> {
  const folder = await mkdtemp(join(tmpdir(), "muara-histories-"));
  folders.push(folder);
  const { files, metadata } = await at.openTable(TABLE).snapshot();
  const { schemaString, partitionColumns } = metadata!;
  const pinned = [];
  for (const { path, partitionValues } of files.values()) {
    const to = join(folder, storePathOf(TABLE, path));
    await mkdir(dirname(to), { recursive: true });
    await writeFile(to, (await at.store.get(storePathOf(TABLE, path)))!);
    pinned.push({ path: to, partitionValues });
  }
  const engine = await openEngine({ memoryBytes: 5e8, threads: 1 });
  const table = { names: ["t"], schemaString, partitionColumns, files: pinned, ingestedUntilMs: null };
  for (const statement of viewStatements(table)) await engine.run(statement);
  const found = await engine.runAndReadAll(
    `SELECT event_id, extra, ${names.map((name) => `"${name}"`).join(", ")} FROM t`,
  );
  engine.closeSync();
  const rows = found.getRowObjectsJson() as unknown as readonly Json[];
  expect(rows.filter(({ extra }) => extra !== null)).toEqual([]);
  return new Map(rows.map(({ event_id: id, extra: _extra, ...values }) => [id as string, plain(values)]));
}

test("whatever grows and whoever lands, the rows are what was published", { timeout: 600_000 }, async () => {
  const sum = { grown: 0, widened: 0, waited: 0, races: 0, refused: 0 };
  const last = process.env["MUARA_SEED"] ? FIRST_SEED : SEEDS;
  for (let seed = FIRST_SEED; seed <= last; seed++) {
    const history = new History(seed);
    const at = await install(undefined, systemClock);
    const first = parseEventType(declared(START));
    await declare(at, first, 2);
    history.versions.push(first);
    history.shapes.push(START);
    for (let i = 0; i < STEPS; i++) await step(at, history);
    await publish(at, history);
    for (let tries = 0; (await counter(at, "landed")) < history.model.size; tries++) {
      expect(tries, `seed ${seed}`).toBeLessThan(5);
      await land(at, history.versions.at(-1)!);
    }
    const counted = [await counter(at, "landed"), await counter(at, "dead"), await counter(at, "duplicates")];
    expect(counted, `seed ${seed}`).toEqual([history.model.size, 0, 0]);
    const rows = await rowsOf(at, Object.keys(history.shapes.at(-1)!.properties!));
    expect(rows, `seed ${seed}`).toEqual(
      new Map([...history.model].map(([id, value]) => [id, plain(value)])),
    );
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += history.counts[key];
  }
  // A test that does nothing proves nothing.
  const unseen = Object.entries(sum).filter(([, count]) => count === 0);
  expect(FIRST_SEED === 1 ? unseen : []).toEqual([]);
});
