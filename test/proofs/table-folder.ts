/**
 * A table's folder on disk, read without any code of `lake/`: the versions are dense, no file is added twice, every
 * file that a version names is there with its size, rows and cursors follow from the commits. What no version names
 * is counted: leftovers of attempts that a crash cut off.
 */
import { access, readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";

const COMMIT = /^\d{20}\.json$/;

export interface FolderAudit {
  /** Versions from 0. */
  readonly versions: number;
  /** Live data files. */
  readonly files: number;
  /** Data files and side files that no version names. */
  readonly unreferenced: number;
  /** Rows of the live files by their statistics. */
  readonly rows: number;
}

interface Action {
  readonly add?: { readonly path: string; readonly size: number; readonly stats: string };
  readonly remove?: { readonly path: string };
  readonly commitInfo?: { readonly muara?: { readonly side?: string | null; readonly kind?: string } };
  readonly txn?: { readonly appId: string; readonly version: number };
}

/** How many versions the table has. @param lake its folder, where that is not the usual one */
export async function versionsOf(data: string, table: string, lake = join(data, "lake")): Promise<number> {
  const names = await readdir(join(lake, table, "_delta_log")).catch(() => []);
  return names.filter((name) => COMMIT.test(name)).length;
}

/** Absolute paths of the newest version's data files. @throws as the audit does */
export async function liveFiles(data: string, table: string): Promise<string[]> {
  const { live } = await readCommits(join(data, "lake"), table);
  return [...live.keys()].map((path) => join(data, "lake", table, path));
}

/** @throws Error naming the first thing that is wrong */
export async function auditTableFolder(
  data: string,
  table: string,
  lake = join(data, "lake"),
): Promise<FolderAudit> {
  const folder = join(lake, table);
  const { versions, live, named } = await readCommits(lake, table);
  const present = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith(".parquet"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(folder, path).startsWith("_delta_log"));
  const rows = [...live.values()].reduce((total, count) => total + count, 0);
  const unreferenced = present.filter((path) => !named.has(path)).length;
  return { versions, files: live.size, unreferenced, rows };
}

interface Commits {
  readonly versions: number;
  /** Rows by path of the data files of the newest version. */
  readonly live: ReadonlyMap<string, number>;
  /** Absolute paths of everything that some version names. */
  readonly named: ReadonlySet<string>;
}

async function readCommits(lake: string, table: string): Promise<Commits> {
  const folder = join(lake, table);
  const log = join(folder, "_delta_log");
  const names = (await readdir(log)).filter((name) => COMMIT.test(name)).sort();
  const live = new Map<string, number>();
  const added = new Set<string>();
  const named = new Set<string>();
  let step = 0;
  for (const [version, name] of names.entries()) {
    if (Number(name.slice(0, 20)) !== version) throw new Error(`version ${version} is missing`);
    const lines = (await readFile(join(log, name), "utf8")).trimEnd().split("\n");
    for (const { add, remove, commitInfo, txn } of lines.map((line) => JSON.parse(line) as Action)) {
      if (add) {
        const path = decodeURIComponent(add.path);
        if (added.has(path)) throw new Error(`version ${version} adds ${path} a second time`);
        added.add(path);
        live.set(path, (JSON.parse(add.stats) as { numRecords: number }).numRecords);
        named.add(join(folder, path));
        const { size } = await stat(join(folder, path));
        if (size !== add.size)
          throw new Error(`${path} has ${size} bytes, version ${version} says ${add.size}`);
      }
      if (remove) live.delete(decodeURIComponent(remove.path));
      const side = commitInfo?.muara?.side;
      if (side) {
        named.add(join(lake, side));
        await access(join(lake, side));
      }
      if (txn?.appId === "muara:land" && txn.version !== ++step)
        throw new Error(`version ${version} is landing step ${txn.version}, expected ${step}`);
    }
  }
  return { versions: names.length, live, named };
}
