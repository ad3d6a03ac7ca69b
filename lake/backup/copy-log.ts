/**
 * A log in a folder, copied while somebody writes it. Segments only grow, one after the other, so the oldest first and
 * the newest up to the length that it has when its turn comes give a log as a crash would leave it. Retention and
 * erasure change older files: then all of it is copied again.
 */
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { copyFile } from "./copy-file.ts";
import type { BackupFile } from "./manifest.ts";

const ATTEMPTS = 5;
const FOLDER = "log";
/** What a log is; locks, room that is kept and caches are not. */
const PART = /^(?:log\.json|base\.json|holds\.json|segment-\d+\.log|compacted-\d+\.log)$/;
const SEGMENT = /^segment-\d+\.log$/;

/** @throws backup.moved */
export async function copyLog(from: ObjectStore, to: ObjectStore): Promise<readonly BackupFile[]> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const files = await copyOnce(from, to);
    if (files) return files;
    for (const { path } of await to.list(FOLDER)) await to.delete(path);
  }
  throw new MuaraError("backup.moved", "The log's files changed while they were copied.");
}

async function copyOnce(from: ObjectStore, to: ObjectStore): Promise<BackupFile[] | undefined> {
  const before = await partsOf(from);
  const newest = [...before.keys()]
    .filter((path) => SEGMENT.test(path))
    .sort()
    .at(-1);
  const files: BackupFile[] = [];
  for (const path of before.keys()) {
    const head = await from.head(path);
    const sha256 = head && (await copyFile(from, path, head.bytes, to, `${FOLDER}/${path}`));
    if (!head || sha256 === undefined) return undefined;
    files.push({ path: `${FOLDER}/${path}`, bytes: head.bytes, sha256 });
  }
  const after = await partsOf(from);
  for (const [path, etag] of before)
    if (path !== newest && path !== "holds.json" && after.get(path) !== etag) return undefined;
  return files;
}

/** By path, oldest segments first; what changes when a file is another one. */
async function partsOf(store: ObjectStore): Promise<Map<string, string>> {
  const found = (await store.list("")).filter(({ path }) => PART.test(path));
  const parts = new Map<string, string>();
  for (const { path } of found) {
    const head = await store.head(path);
    if (head) parts.set(path, head.etag);
  }
  return parts;
}
