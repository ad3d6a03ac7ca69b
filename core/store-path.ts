/**
 * Names inside an object store: relative, `/`-separated, of safe segments. The alphabet is what Delta paths need
 * (`part-….parquet`, `ingest_date=2026-01-01`, Hive's `%20`) and nothing that any file system, shell, URI or SQL
 * string could read differently. No segment begins with a dot: that keeps `.` and `..` out and leaves dot names to
 * the stores' own temporary files.
 *
 * What others have written into a table is read under a wider alphabet, because Spark writes the values of partitions
 * as they are but for some signs: letters of every script, spaces and harmless signs. Nothing is ever written so. No
 * sign of it means anything to a file system, to SQL or as a pattern of file names.
 */
import { MuaraError } from "./errors.ts";

const SEGMENT = /^[A-Za-z0-9_=%-][A-Za-z0-9_.=%-]*$/;
const FOREIGN_SEGMENT = /^[\p{L}\p{N}_=%+-][\p{L}\p{M}\p{N} _.=%+,@~!()&;$-]*$/u;
const SEGMENT_LENGTH_MAX = 200;
const PATH_LENGTH_MAX = 900; // S3 allows 1,024 bytes including the store's own prefix

export function isStorePath(path: string): boolean {
  if (path.length === 0 || path.length > PATH_LENGTH_MAX) return false;
  return path.split("/").every((segment) => segment.length <= SEGMENT_LENGTH_MAX && SEGMENT.test(segment));
}

/** Whether a path may be read. */
export function isReadPath(path: string): boolean {
  if (path.length === 0 || path.length > PATH_LENGTH_MAX) return false;
  return path
    .split("/")
    .every((segment) => segment.length <= SEGMENT_LENGTH_MAX && FOREIGN_SEGMENT.test(segment));
}

/** The path itself, which is only read. @throws store.path */
export function checkReadPath(path: string): string {
  if (!isReadPath(path)) throw new MuaraError("store.path", "not a safe object path", { details: { path } });
  return path;
}

/** The path itself. @throws store.path */
export function checkStorePath(path: string): string {
  if (!isStorePath(path)) throw new MuaraError("store.path", "not a safe object path", { details: { path } });
  return path;
}

/** A folder's path; "" is the whole store. @throws store.path */
export function checkStorePrefix(prefix: string): string {
  return prefix === "" ? prefix : checkStorePath(prefix);
}

/** Joins folder and name; the folder may be "". */
export function joinStorePath(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
