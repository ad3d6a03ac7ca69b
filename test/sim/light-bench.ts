/**
 * lake/extract/workbench.ts for files of objects, and the folder that it works in: rows are counted, summed, compared
 * and cut without an engine. `hooks.ts` puts it in the place of the original, and of lake/local-copy.ts beside it.
 */
import { createHash } from "node:crypto";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { FeedPlan } from "../../lake/extract/feed-plan.ts";
import type { CutFile, Outcome } from "../../lake/extract/workbench.ts";
import { handleFor } from "./handles.ts";
import { type LightFile, lightFile } from "./light-format.ts";
import { fileOf, rowsOf } from "./light-rewriter.ts";

type Row = readonly unknown[];

/** So that windows have several files. */
const ROWS_PER_FILE = 4;

let folder = new Map<string, Uint8Array>();
let paths = 0;

/** Nothing is left of another world. */
export function emptyFolder(): void {
  folder = new Map();
  paths = 0;
}

/** As in lake/local-copy.ts. @throws table.version_not_found where the object is gone */
export async function copyObject(store: ObjectStore, object: { path: string }, to: string): Promise<void> {
  const bytes = await store.get(object.path);
  if (!bytes) throw new MuaraError("table.version_not_found", "A file of this version is gone.");
  folder.set(to, bytes);
}

/** As in lake/local-copy.ts. */
export async function putLocalFile(store: ObjectStore, path: string, from: string): Promise<boolean> {
  await store.put(path, folder.get(from)!);
  return true;
}

/** The same rows are the same bytes, whoever writes them. */
export function canonical(names: readonly string[], rows: readonly Row[]): Uint8Array {
  return handleFor(`${names.join()}\n${rows.map(textOf).join("\n")}`, () => fileOf(names, rows));
}

export function textOf(row: Row): string {
  return row.map(String).join("|");
}

function fileAt(path: string): LightFile {
  return lightFile(folder.get(path)!);
}

function rowsAt(some: readonly string[]): Row[] {
  return some.flatMap((path) => {
    const file = fileAt(path);
    return rowsOf(file, [...file.columns.keys()]);
  });
}

export class Workbench {
  static async open(): Promise<Workbench> {
    return new Workbench();
  }

  freshPath(): string {
    return `bench/${paths++}`;
  }

  async receive(body: AsyncIterable<Uint8Array>): Promise<string> {
    const path = this.freshPath();
    for await (const bytes of body) folder.set(path, bytes);
    return path;
  }

  async count(some: readonly string[]): Promise<number> {
    return rowsAt(some).length;
  }

  async totals(plan: FeedPlan, some: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const at = plan.columns.findIndex(({ name }) => name === "n");
    return { n: String(rowsAt(some).reduce((sum, row) => sum + (row[at] as bigint), 0n)) };
  }

  async contentHash(_plan: FeedPlan, path: string): Promise<string> {
    return hashOf(rowsAt([path]));
  }

  async check(): Promise<Outcome> {
    throw new Error("the simulator's feed has no checks");
  }

  async lacking(a: readonly string[], b: readonly string[]): Promise<number> {
    return lackingRows(rowsAt(a), rowsAt(b)).length;
  }

  async writeLacking(plan: FeedPlan, a: readonly string[], b: readonly string[]): Promise<string> {
    const path = this.freshPath();
    const names = plan.columns.map(({ name }) => name);
    folder.set(path, canonical(names, lackingRows(rowsAt(a), rowsAt(b))));
    return path;
  }

  async cut(path: string): Promise<readonly CutFile[]> {
    const names = [...fileAt(path).columns.keys()];
    const rows = rowsAt([path]);
    const files: CutFile[] = [];
    for (let from = 0; from < rows.length; from += ROWS_PER_FILE) {
      const part = rows.slice(from, from + ROWS_PER_FILE);
      const bytes = canonical(names, part);
      const cut = this.freshPath();
      folder.set(cut, bytes);
      files.push({ path: cut, rows: part.length, bytes: bytes.length, sha256: hashOf(part) });
    }
    return files;
  }

  async close(): Promise<void> {}
}

export function hashOf(rows: readonly Row[]): string {
  return createHash("sha256").update(rows.map(textOf).join("\n")).digest("hex");
}

/** Rows of `a` that `b` does not have, as often as it does not. */
export function lackingRows(a: readonly Row[], b: readonly Row[]): Row[] {
  const counts = new Map<string, number>();
  for (const row of b) counts.set(textOf(row), (counts.get(textOf(row)) ?? 0) + 1);
  return a.filter((row) => {
    const left = counts.get(textOf(row)) ?? 0;
    counts.set(textOf(row), left - 1);
    return left <= 0;
  });
}
