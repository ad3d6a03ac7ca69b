/**
 * The lake's files up to the pinned versions. What a pinned version names must be there; everything else (files that
 * older versions name, side files, extracts) is copied where it still is.
 */
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore, StoredObject } from "../../core/ports/object-store.ts";
import { isStorePath } from "../../core/store-path.ts";
import { storePathOf } from "../table/add-file.ts";
import { copyFile } from "./copy-file.ts";
import type { BackupFile } from "./manifest.ts";
import type { Pins } from "./pin-lake.ts";

const FOLDER = "lake";
const PARALLEL = 8;
/** Commits and checkpoints by version. */
const LOG_FILE = /^([^/]+)\/_delta_log\/(\d{20})\.(?:json|checkpoint\.parquet)$/;
const HINT = /^([^/]+)\/_delta_log\/_last_checkpoint$/;
/** Copies of parts for shares are made again; leases are of processes. */
const CACHE = /^_parts\/|\.lease$|^_muara\//;
/** Names of versions that are whole once they are there. */
const HEAD = /^_extracts\/.*\/_(?:versions|full)\/\d+\.json$/;

/** Before the tables are pinned: versions of extracts that are published by now. */
export async function headsOf(store: ObjectStore): Promise<ReadonlySet<string>> {
  return new Set((await store.list("_extracts")).map(({ path }) => path).filter((path) => HEAD.test(path)));
}

/** @throws backup.moved where a file that a pinned version names went away; store.path where others gave it its name */
export async function copyLake(
  from: ObjectStore,
  to: ObjectStore,
  pins: Pins,
  heads: ReadonlySet<string>,
): Promise<readonly BackupFile[]> {
  const needed = neededOf(pins);
  const all = await from.list("");
  const there = new Set(all.map(({ path }) => path));
  for (const path of needed)
    if (!there.has(path)) throw isStorePath(path) ? goneError(path) : foreignError(path);
  const wanted: StoredObject[] = [];
  for (const object of all) if (await isWanted(from, object.path, pins, heads)) wanted.push(object);
  const files: BackupFile[] = [];
  let at = 0;
  const lane = async (): Promise<void> => {
    while (at < wanted.length) {
      const { path, bytes } = wanted[at++]!;
      const sha256 = await copyFile(from, path, bytes, to, `${FOLDER}/${path}`);
      if (sha256 !== undefined) files.push({ path: `${FOLDER}/${path}`, bytes, sha256 });
      else if (needed.has(path)) throw goneError(path);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  return files;
}

function neededOf(pins: Pins): ReadonlySet<string> {
  const needed = new Set<string>();
  for (const [name, { files }] of pins)
    for (const { path } of files.values()) needed.add(storePathOf(name, path));
  return needed;
}

async function isWanted(
  store: ObjectStore,
  path: string,
  pins: Pins,
  heads: ReadonlySet<string>,
): Promise<boolean> {
  if (CACHE.test(path)) return false;
  if (HEAD.test(path)) return heads.has(path);
  const hint = HINT.exec(path);
  if (hint) return (await hintedVersion(store, path)) <= (pins.get(hint[1]!)?.version ?? -1);
  const file = LOG_FILE.exec(path);
  return !file || Number(file[2]) <= (pins.get(file[1]!)?.version ?? -1);
}

async function hintedVersion(store: ObjectStore, path: string): Promise<number> {
  try {
    const bytes = await store.get(path);
    const { version } = JSON.parse(new TextDecoder().decode(bytes)) as { readonly version?: number };
    return version ?? Infinity;
  } catch {
    return Infinity; // it only says where to begin
  }
}

function goneError(path: string): MuaraError {
  return new MuaraError("backup.moved", `${path} went away while the lake was copied.`, {
    details: { path },
  });
}

/** Stores read such names, and neither list nor write them. */
function foreignError(path: string): MuaraError {
  const said = `${path} was written by somebody else, under a name that a backup cannot give a file.`;
  return new MuaraError("store.path", said, { details: { path } });
}
