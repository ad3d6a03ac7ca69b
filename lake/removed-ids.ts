/**
 * What is left of removed rows: their identities and ingest times, so that a resend of a removed event stays a
 * duplicate within the horizon. Whoever removes rows of an event table (retention, erasure, rollback) writes this
 * file first and moves `txn muara:removed` to its number in the removing commit.
 *
 * The surprising rule: a table names one such file, so each one holds what its predecessor held, as far as that is
 * still within the horizon. It holds keyed hashes, never an id; and it is truth, not a cache: a missing or damaged
 * one stops landing.
 */
import { createHash } from "node:crypto";
import type { Randomness } from "../core/clock.ts";
import { MuaraError } from "../core/errors.ts";
import { REMOVED_TXN } from "../core/landed.ts";
import type { AddFile, TableSnapshot, Txn } from "../core/ports/table-log.ts";
import { fingerprintOf, secretOf } from "./id-key.ts";
import { type IdentityPorts, type IdentityRows, visitIdentities } from "./identity-rows.ts";

const MAGIC = "muara removed ids 1\n"; // 20 bytes
const FINGERPRINT_BYTES = 32;
const HEADER_BYTES = 56; // magic, fingerprint, count
const ROW_BYTES = 24;
const DIGEST_BYTES = 32;

export interface RemovalPorts extends IdentityPorts {
  readonly randomness: Randomness;
}

export interface Removal {
  /** Belongs into the removing commit. */
  readonly txn: Txn;
  /** Store path of the file. Only after a proven refusal of the commit may it be deleted. */
  readonly path: string;
}

/**
 * Writes down the identities of rows that a commit is about to remove. The commit must be decided on `snapshot` and
 * be abandoned if anybody else moves `muara:removed` meanwhile.
 * @param keepFromMs ingest time from which on identities are kept: two horizons before the table's slowest cursor
 *   is always enough
 */
export async function writeRemovedIds(
  ports: RemovalPorts,
  table: string,
  snapshot: TableSnapshot,
  removed: readonly IdentityRows[],
  keepFromMs: number,
): Promise<Removal> {
  const earlier = await readRemovedIds(ports, table, snapshot);
  const rows = kept(earlier ? [earlier, ...removed] : removed, keepFromMs);
  const number = BigInt(`0x${ports.randomness.uuid().replaceAll("-", "").slice(16)}`) & (2n ** 63n - 1n);
  const path = removedPath(table, number);
  await ports.store.put(path, encode(fingerprintOf(ports.kernel, secretOf(snapshot)), rows));
  return { txn: { appId: REMOVED_TXN, version: number }, path };
}

/** The identities of all rows of data files that are to be removed whole. */
export async function identitiesOfFiles(
  ports: IdentityPorts,
  table: string,
  snapshot: TableSnapshot,
  files: readonly AddFile[],
): Promise<IdentityRows[]> {
  const found: IdentityRows[] = [];
  const secret = secretOf(snapshot);
  for (const file of files)
    await visitIdentities(ports, table, file, secret, (rows) => void found.push(rows));
  return found;
}

/** @returns undefined where no rows were ever removed @throws table.corrupt where the named file is no such file */
export async function readRemovedIds(
  ports: IdentityPorts,
  table: string,
  snapshot: TableSnapshot,
): Promise<IdentityRows | undefined> {
  const number = snapshot.txns.get(REMOVED_TXN);
  if (number === undefined) return undefined;
  const path = removedPath(table, number);
  const bytes = await ports.store.get(path);
  const wrong = bytes
    ? whatIsWrong(bytes, fingerprintOf(ports.kernel, secretOf(snapshot)))
    : "does not exist";
  if (!bytes || wrong !== undefined) {
    throw new MuaraError("table.corrupt", `${table} names the removed ids ${path}, which ${wrong}.`, {
      details: { path },
    });
  }
  const count = (bytes.length - HEADER_BYTES - DIGEST_BYTES) / ROW_BYTES;
  const start = bytes.byteOffset + HEADER_BYTES;
  const body = bytes.buffer.slice(start, start + count * ROW_BYTES);
  return {
    count,
    identities: new BigUint64Array(body, 0, count * 2),
    ingestMs: new Float64Array(body, count * 16, count),
  };
}

function removedPath(table: string, number: bigint): string {
  return `${table}/_muara/removed-${number}.ids`;
}

function kept(parts: readonly IdentityRows[], keepFromMs: number): IdentityRows {
  const total = parts.reduce((sum, part) => sum + part.count, 0);
  const identities = new BigUint64Array(total * 2);
  const ingestMs = new Float64Array(total);
  let count = 0;
  for (const part of parts) {
    for (let i = 0; i < part.count; i++) {
      if (part.ingestMs[i]! < keepFromMs) continue;
      identities[count * 2] = part.identities[i * 2]!;
      identities[count * 2 + 1] = part.identities[i * 2 + 1]!;
      ingestMs[count++] = part.ingestMs[i]!;
    }
  }
  return { count, identities: identities.subarray(0, count * 2), ingestMs: ingestMs.subarray(0, count) };
}

function encode(fingerprint: string, { count, identities, ingestMs }: IdentityRows): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + count * ROW_BYTES + DIGEST_BYTES);
  bytes.set(new TextEncoder().encode(MAGIC + fingerprint));
  new DataView(bytes.buffer).setUint32(MAGIC.length + FINGERPRINT_BYTES, count, true);
  bytes.set(bytesOf(identities), HEADER_BYTES);
  bytes.set(bytesOf(ingestMs), HEADER_BYTES + count * 16);
  bytes.set(digestOf(bytes), bytes.length - DIGEST_BYTES);
  return bytes;
}

function whatIsWrong(bytes: Uint8Array, fingerprint: string): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const heading = new TextDecoder().decode(bytes.subarray(0, MAGIC.length + FINGERPRINT_BYTES));
  if (bytes.length < HEADER_BYTES + DIGEST_BYTES || !heading.startsWith(MAGIC)) return "is no such file";
  const count = view.getUint32(MAGIC.length + FINGERPRINT_BYTES, true);
  const isWhole = bytes.length === HEADER_BYTES + count * ROW_BYTES + DIGEST_BYTES;
  if (!isWhole || digestOf(bytes).compare(bytes.subarray(-DIGEST_BYTES)) !== 0) return "is damaged";
  return heading === MAGIC + fingerprint ? undefined : "was written under another id key";
}

/** Of all but the last 32 bytes. */
function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes.subarray(0, -DIGEST_BYTES)).digest();
}

function bytesOf(values: BigUint64Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
