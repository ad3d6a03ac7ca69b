/**
 * The manifest of one version of a feed: which windows it brings, in which files, with which totals. It is written
 * last, so what it names is there. Its hash is over itself without the hash, and without the addresses that an answer
 * adds to its files, as compact JSON with the keys in the order written.
 */
import { createHash } from "node:crypto";
import type { WindowKind } from "../../core/extract-feed.ts";
import { MuaraError } from "../../core/errors.ts";

export interface ManifestColumn {
  readonly name: string;
  /** DuckDB's name of the type in the file. */
  readonly type: string;
  readonly required: boolean;
  readonly doc: string;
}

export interface ManifestFile {
  /** Within its version. */
  readonly id: string;
  /** Below the folder of all extracts. */
  readonly name: string;
  readonly bytes: number;
  readonly rows: number;
  readonly sha256: string;
  /** Only in answers. */
  readonly url?: string;
  readonly url_expires?: string;
}

export type Reason = "first" | "late events" | "erasure" | "changed definition" | "changed inputs";

export interface ManifestPartition {
  /** The window's name; which of the two there is depends on the feed. */
  readonly day?: string;
  readonly hour?: string;
  /** The window, from (included) until (excluded), ISO 8601 UTC. */
  readonly from: string;
  readonly until: string;
  readonly revision: number;
  /** The revision that this one is instead of, or comes after. */
  readonly revises: number | null;
  readonly reason: Reason;
  /** `replace`: delete the window, then load; twice is harmless. `append`: load beside what is there. */
  readonly action: "replace" | "append";
  /** In the files. */
  readonly rows: number;
  /** Rows that the revision before did not have; null where that is not known. */
  readonly late_rows: number | null;
  /** Rows that only the revision before had. */
  readonly removed_rows: number | null;
  readonly totals: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  /** Of the whole window, whatever the files hold of it. */
  readonly window_rows: number;
  readonly window_totals: Readonly<Record<string, string>>;
  /** Of the window's rows as text, in order: independent of how files are written. */
  readonly content_sha256: string;
  /** By which a change of the window is found without making it. */
  readonly scan: string;
}

export interface ManifestCheck {
  readonly partition: string;
  readonly check: string;
  readonly ok: boolean;
  readonly severity: "error" | "warning";
  readonly expected: string;
  readonly actual: string;
}

export interface Manifest {
  readonly feed: string;
  readonly version: number;
  readonly kind: "replace_partition" | "append";
  /** All windows of the feed as of this version, instead of those that it changed. */
  readonly full: boolean;
  readonly window: WindowKind;
  readonly time: string;
  readonly key: readonly string[];
  /** Version of every table that was read. */
  readonly inputs: Readonly<Record<string, number>>;
  /** Rows that these tables had lost by then, by reason. */
  readonly removed: Readonly<Record<string, number>>;
  readonly created: string;
  /** Every window that ends by then is in this version or one before it. */
  readonly complete_through: string;
  readonly previous: number | null;
  readonly retained_until: string;
  readonly contract: { readonly id: string; readonly version: string; readonly href: string };
  /** Of the SQL and of what else decides on the rows. */
  readonly definition_sha256: string;
  readonly schema: readonly ManifestColumn[];
  readonly partitions: readonly ManifestPartition[];
  readonly files: readonly ManifestFile[];
  readonly rows: number;
  readonly quality: readonly ManifestCheck[];
  readonly manifest_sha256: string;
}

/** The window's name. */
export function partitionName(partition: Pick<ManifestPartition, "day" | "hour">): string {
  return partition.day ?? partition.hour ?? "";
}

export function sealManifest(manifest: Omit<Manifest, "manifest_sha256">): Manifest {
  return { ...manifest, manifest_sha256: hashOf(manifest) };
}

/** The hash that a manifest, also one out of an answer, should have. */
export function manifestHash(manifest: Manifest): string {
  const { manifest_sha256: _own, ...rest } = manifest;
  const files = manifest.files.map(({ url: _url, url_expires: _expires, ...file }) => file);
  return hashOf({ ...rest, files });
}

function hashOf(manifest: Omit<Manifest, "manifest_sha256">): string {
  return createHash("sha256").update(JSON.stringify(manifest)).digest("hex");
}

export function formatManifest(manifest: Manifest): Uint8Array {
  return Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
}

/** @throws extract.corrupt */
export function parseManifest(bytes: Uint8Array, path: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(Buffer.from(bytes).toString()) as Manifest;
  } catch (cause) {
    throw new MuaraError("extract.corrupt", `${path} is no JSON.`, { details: { path }, cause });
  }
  if (manifestHash(manifest) === manifest.manifest_sha256) return manifest;
  throw new MuaraError("extract.corrupt", `${path} is not what was written.`, { details: { path } });
}
