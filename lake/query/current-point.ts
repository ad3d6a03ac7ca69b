/**
 * As of when a current state is read: a version of its table, a time (of the commits in the source), or an LSN of a
 * shard: `lsn:26707016`, `lsn:0/1978448`, with the shard as `lsn:0/1978448@shop1`.
 */
import { MuaraError } from "../../core/errors.ts";
import type { At } from "./time-travel.ts";

export type CurrentPoint =
  | { readonly kind: "version" }
  | { readonly kind: "time"; readonly timeMs: number }
  /** `shard` null: of every shard; of one, only its rows are there. */
  | { readonly kind: "lsn"; readonly lsn: bigint; readonly shard: string | null };

const LSN = /^lsn:(?:(\d{1,19})|([0-9a-f]{1,8})\/([0-9a-f]{1,8}))(?:@(.{1,63}))?$/is;
const LSN_MAX = 2n ** 63n - 1n;

/** @throws request.malformed */
export function pointOf(at: At | undefined, table: string): CurrentPoint | undefined {
  const point = typeof at === "object" ? at[table] : at;
  if (point === undefined) return undefined;
  if (typeof point === "number" || /^\d+$/.test(point)) return { kind: "version" };
  const lsn = LSN.exec(point);
  if (lsn) {
    const [, whole, high, low, shard = null] = lsn;
    const value = whole === undefined ? (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`) : BigInt(whole);
    if (value <= LSN_MAX) return { kind: "lsn", lsn: value, shard };
  }
  const timeMs = /^lsn/i.test(point) ? NaN : Date.parse(point);
  if (!Number.isNaN(timeMs)) return { kind: "time", timeMs };
  throw new MuaraError(
    "request.malformed",
    `"${point}" is neither a version nor an ISO 8601 time nor lsn:X/Y@SHARD.`,
    { details: { pointer: "/at" } },
  );
}
