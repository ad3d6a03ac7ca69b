/**
 * Receipts: a loader says how many rows it has of a version, and which totals. Where that is not what the manifest
 * says, the answer names the partition. Every receipt is kept, the wrong ones too: they are the reconciliation.
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { versionText, type FeedStore } from "./feed-store.ts";
import { partitionName, type Manifest } from "./manifest.ts";

/** Of one version. */
const RECEIPTS_MAX = 1_000;

export interface ReportedPartition {
  readonly partition: string;
  readonly rows: number;
  readonly totals?: Readonly<Record<string, string>> | undefined;
}

export interface Reported {
  /** Of the whole version. */
  readonly rows: number;
  readonly totals?: Readonly<Record<string, string>> | undefined;
  /** By window, which is what makes a difference findable. */
  readonly partitions?: readonly ReportedPartition[] | undefined;
}

export interface Difference {
  /** null: of the version as a whole; the loader did not say it by window. */
  readonly partition: string | null;
  readonly what: string;
  readonly expected: string;
  readonly reported: string;
}

export interface Receipt extends Reported {
  readonly feed: string;
  readonly version: number;
  readonly received_at: string;
  readonly by: string;
  readonly equal: boolean;
  readonly differences: readonly Difference[];
}

/** What does not fit. Totals that are not reported are not compared. */
export function compareReceipt(manifest: Manifest, reported: Reported): readonly Difference[] {
  const differences: Difference[] = [];
  const only = manifest.partitions.length === 1 ? partitionName(manifest.partitions[0]!) : null;
  const note = (partition: string | null, what: string, expected: unknown, said: unknown): void => {
    if (String(expected) !== String(said))
      differences.push({ partition, what, expected: String(expected), reported: String(said) });
  };
  const known = new Map(manifest.partitions.map((partition) => [partitionName(partition), partition]));
  const seen = new Set<string>();
  for (const { partition: name, rows, totals = {} } of reported.partitions ?? []) {
    const partition = known.get(name);
    if (seen.has(name)) note(name, "times reported", 1, 2);
    seen.add(name);
    if (!partition) {
      note(name, "partition", "not in this version", "loaded");
      continue;
    }
    note(name, "rows", partition.rows, rows);
    for (const [total, value] of Object.entries(totals))
      note(name, total, partition.totals[total] ?? "no such total", plain(value, partition.totals[total]));
  }
  if (reported.partitions)
    for (const name of known.keys())
      if (!seen.has(name)) note(name, "partition", "in this version", "missing");
  if (differences.length > 0) return differences;
  note(only, "rows", manifest.rows, reported.rows);
  for (const [total, value] of Object.entries(reported.totals ?? {})) {
    const expected = only === null ? addUp(manifest, total) : manifest.partitions[0]!.totals[total];
    note(only, total, expected ?? "no such total of the whole version", plain(value, expected));
  }
  return differences;
}

/** @throws extract.receipts_full */
export async function storeReceipt(
  store: FeedStore,
  manifest: Manifest,
  reported: Reported,
  by: string,
  { clock, randomness }: { readonly clock: Clock; readonly randomness: Randomness },
): Promise<Receipt> {
  const { feed, version } = manifest;
  const folder = store.path(`_receipts/${versionText(version)}`);
  if ((await store.store.list(folder)).length >= RECEIPTS_MAX)
    throw new MuaraError("extract.receipts_full", `Version ${version} has ${RECEIPTS_MAX} receipts.`);
  const differences = compareReceipt(manifest, reported);
  const nowMs = clock.nowMs();
  const received = new Date(nowMs).toISOString();
  const equal = differences.length === 0;
  const receipt: Receipt = { feed, version, received_at: received, by, equal, differences, ...reported };
  const name = `${String(nowMs).padStart(15, "0")}-${randomness.uuid()}.json`;
  await store.store.put(`${folder}/${name}`, Buffer.from(JSON.stringify(receipt)));
  return receipt;
}

/** Newest first. @param limit how many at most */
export async function listReceipts(store: FeedStore, limit: number): Promise<readonly Receipt[]> {
  const found = await store.store.list(store.path("_receipts"));
  const paths = found.map(({ path }) => path).sort((a, b) => (a < b ? 1 : -1));
  const receipts = await Promise.all(paths.slice(0, limit).map((path) => store.store.get(path)));
  return receipts.flatMap((bytes) => (bytes ? [JSON.parse(Buffer.from(bytes).toString()) as Receipt] : []));
}

/** Sums of all partitions; a count of distinct values has none. */
function addUp(manifest: Manifest, total: string): string | undefined {
  if (total.startsWith("distinct_")) return undefined;
  const values = manifest.partitions.map((partition) => partition.totals[total]);
  if (values.length === 0 || values.some((value) => value === undefined)) return undefined;
  const digits = Math.max(...values.map((value) => fractionOf(value!).length));
  const sum = values.reduce((all, value) => all + unscaled(value!, digits), 0n);
  return scaled(sum, digits);
}

/** A number as loaders write it, with as many digits after the point as the expected one: 5, 5.0 and 5.00 are one. */
function plain(value: string, expected: string | undefined): string {
  if (expected === undefined || !/^-?\d+(?:\.\d+)?$/.test(value)) return value;
  const digits = fractionOf(expected).length;
  const more = fractionOf(value).slice(digits);
  return /[1-9]/.test(more) ? value : scaled(unscaled(value, digits), digits);
}

function fractionOf(text: string): string {
  return text.split(".")[1] ?? "";
}

function unscaled(text: string, digits: number): bigint {
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  const value = BigInt(whole! + fraction.slice(0, digits).padEnd(digits, "0"));
  return text.startsWith("-") ? -value : value;
}

function scaled(value: bigint, digits: number): string {
  const text = String(value < 0n ? -value : value).padStart(digits + 1, "0");
  const sign = value < 0n ? "-" : "";
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}
