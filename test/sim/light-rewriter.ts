/**
 * Files of rows that are objects, put together or freed of some rows: what lake/rewrite.ts and lake/file-editor.ts do
 * by DuckDB. What is decided around it (plans, leases, commits, counts) is the product's own.
 */
import { MuaraError } from "../../core/errors.ts";
import { checksumTags } from "../../lake/checksum.ts";
import type { RewriteRequest, WrittenFile } from "../../lake/rewrite.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import { behind, handleOf } from "./handles.ts";
import { type LightFile, lightStats } from "./light-format.ts";

type Row = readonly unknown[];

/** What a planted bug makes of a file before it is written. */
export type Spoil = (file: LightFile, request: RewriteRequest) => LightFile;

/** In the place of a `FileRewriter`. @throws table.version_not_found where a file is gone */
export async function lightRewrite(
  request: RewriteRequest,
  _signal?: AbortSignal,
  spoil: Spoil = (file) => file,
): Promise<WrittenFile> {
  const { store, table, files, orderBy, to } = request;
  const found: LightFile[] = [];
  for (const { path } of files) {
    const bytes = await store.get(storePathOf(table, path));
    if (!bytes) throw new MuaraError("table.version_not_found", "A file of this version is gone.");
    found.push(behind(bytes) as LightFile);
  }
  const names = [...new Set(found.flatMap(({ columns }) => [...columns.keys()]))];
  const rows = found.flatMap((file) => rowsOf(file, names));
  const order = orderBy.map((name) => names.indexOf(name)).filter((at) => at >= 0);
  rows.sort((a, b) => compareRows(a, b, order));
  const file = spoil(fileOf(names, rows), request);
  const bytes = handleOf(file);
  await store.put(storePathOf(table, to), bytes);
  return { bytes: bytes.length, rows: rows.length, stats: lightStats(file), tags: checksumTags(bytes) };
}

export function rowsOf({ rows, columns }: LightFile, names: readonly string[]): Row[] {
  const values = names.map((name) => columns.get(name));
  return Array.from({ length: rows }, (_, i) => values.map((column) => column?.[i] ?? null));
}

export function fileOf(names: readonly string[], rows: readonly Row[]): LightFile {
  return { rows: rows.length, columns: new Map(names.map((name, at) => [name, rows.map((row) => row[at])])) };
}

function compareRows(a: Row, b: Row, order: readonly number[]): number {
  for (const at of order) {
    const [x, y] = [a[at] as bigint | null, b[at] as bigint | null];
    if (x === y) continue;
    if (x === null || y === null) return x === null ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}
