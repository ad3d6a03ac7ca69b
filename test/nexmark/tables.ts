/** Nexmark's rows as tables of plain DuckDB: what the lake has of them, without a lake. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  NEXMARK_KINDS,
  NEXMARK_SCHEMAS,
  nexmarkEvents,
  type NexmarkKind,
  type NexmarkOptions,
  nexmarkType,
} from "../../bench/nexmark/events.ts";
import { seededRandomness } from "../../core/clock.ts";
import type { JobTable } from "../../lake/job/analysis.ts";

const TIME = "TIMESTAMP WITH TIME ZONE";
const ENVELOPE = [
  { name: "event_id", type: "VARCHAR" },
  { name: "event_time", type: TIME },
  { name: "watermark", type: TIME },
] as const;
const TYPES: Readonly<Record<string, string>> = { integer: "BIGINT", string: "VARCHAR" };

export const NEXMARK_TABLES: readonly JobTable[] = NEXMARK_KINDS.map((kind) => ({
  names: [nexmarkType(kind), `nexmark_${kind}`],
  columns: [...ENVELOPE, ...columnsOf(kind)],
}));

export interface NexmarkCommit {
  /** Watermarks after it, by kind, ms; -Infinity: none yet. */
  readonly watermarksMs: Readonly<Record<NexmarkKind, number>>;
}

/**
 * Makes `person`, `auction` and `bid` with the columns of their tables, `commit` from 0 and `seen`, which is
 * `watermark` by its other name.
 * @param disorderMs that landing allows @param commitEvents of one commit, at most; sizes are drawn
 */
export async function loadNexmark(
  connection: DuckDBConnection,
  folder: string,
  options: Partial<NexmarkOptions>,
  { disorderMs, commitEvents }: { readonly disorderMs: number; readonly commitEvents: number },
): Promise<readonly NexmarkCommit[]> {
  const chance = seededRandomness(options.seed ?? 1);
  const lines: Record<NexmarkKind, string[]> = { person: [], auction: [], bid: [] };
  const newestMs: Record<NexmarkKind, number> = { person: -Infinity, auction: -Infinity, bid: -Infinity };
  const commits: NexmarkCommit[] = [];
  let before = { ...newestMs };
  let left = 0;
  for (const { kind, timeMs, line } of nexmarkEvents(options)) {
    if (left-- <= 0) {
      left = Math.floor(chance.fraction() * commitEvents);
      before = watermarks(newestMs, disorderMs);
      commits.push({ watermarksMs: before });
    }
    newestMs[kind] = Math.max(newestMs[kind], timeMs);
    const seen = Number.isFinite(before[kind])
      ? JSON.stringify(new Date(before[kind]).toISOString())
      : "null";
    lines[kind].push(`{"commit":${commits.length - 1},"seen":${seen},${line.slice(1)}`);
  }
  for (const kind of NEXMARK_KINDS) await load(connection, folder, kind, lines[kind]);
  return [...commits.slice(1), { watermarksMs: watermarks(newestMs, disorderMs) }];
}

async function load(
  connection: DuckDBConnection,
  folder: string,
  kind: NexmarkKind,
  lines: readonly string[],
): Promise<void> {
  const file = join(folder, `${kind}.ndjson`);
  await writeFile(file, lines.join("\n"));
  const own = columnsOf(kind);
  const read = [
    "'commit': 'BIGINT'",
    `'seen': '${TIME}'`,
    `'metadata': 'STRUCT(eid VARCHAR, occurred_at ${TIME})'`,
    ...own.map(({ name, type }) => `'${name}': '${type}'`),
  ];
  await connection.run(
    `CREATE OR REPLACE TABLE ${kind} AS
    SELECT commit, seen, metadata.eid AS event_id, metadata.occurred_at AS event_time, seen AS watermark,
      ${own.map(({ name }) => name).join(", ")}
    FROM read_json('${file}', format = 'newline_delimited', columns = {${read.join(", ")}})`,
  );
}

function watermarks(
  newestMs: Readonly<Record<NexmarkKind, number>>,
  disorderMs: number,
): Record<NexmarkKind, number> {
  const { person, auction, bid } = newestMs;
  return { person: person - disorderMs, auction: auction - disorderMs, bid: bid - disorderMs };
}

function columnsOf(kind: NexmarkKind): readonly { readonly name: string; readonly type: string }[] {
  const { properties } = NEXMARK_SCHEMAS[kind] as {
    readonly properties: Readonly<Record<string, { readonly type: string; readonly format?: string }>>;
  };
  return Object.entries(properties).map(([name, { type, format }]) => ({
    name,
    type: format === "date-time" ? TIME : TYPES[type]!,
  }));
}
