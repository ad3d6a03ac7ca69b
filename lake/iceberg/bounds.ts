/**
 * Delta's statistics and partition values as Iceberg's manifests have them (specification v2, Appendix D, "Binary
 * single-value serialization"). A bound that is not surely one is left out: readers then look into the file.
 */
import { MuaraError } from "../../core/errors.ts";
import type { AvroValue } from "./avro.ts";

const DAY_MS = 86_400_000;
/** Other writers cut times of their statistics to milliseconds. */
const TIME_SLACK_US = 1_000n;
/** Texts of this length may have been cut off. */
const CUT_LENGTH_MIN = 32;
const DATE = /^\d{4}-\d\d-\d\d$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d)$/;

/** @param type Iceberg's @param isUpper whether it bounds from above @returns undefined where there is none */
export function boundBytes(type: unknown, stated: unknown, isUpper: boolean): Uint8Array | undefined {
  switch (type) {
    case "int":
      return isInt32(stated) ? int32(stated) : undefined;
    case "long":
      return Number.isSafeInteger(stated) ? int64(BigInt(stated as number)) : undefined;
    case "date":
      return typeof stated === "string" && DATE.test(stated) ? int32(daysOf(stated)) : undefined;
    case "timestamptz": {
      const atMs = typeof stated === "string" && TIME.test(stated) ? Date.parse(stated) : Number.NaN;
      if (Number.isNaN(atMs)) return undefined;
      return int64(BigInt(atMs) * 1_000n + (isUpper ? TIME_SLACK_US : 0n));
    }
    case "string":
      if (typeof stated !== "string" || (isUpper && stated.length >= CUT_LENGTH_MIN)) return undefined;
      return Buffer.from(stated);
    default:
      return undefined;
  }
}

/** The value of a column that the table is partitioned by. @throws table.unsupported */
export function partitionValue(type: unknown, name: string, text: string | null | undefined): AvroValue {
  if (text == null || text === "") return null;
  if (type === "string") return text;
  if (type === "date" && DATE.test(text)) return daysOf(text);
  if ((type === "int" || type === "long") && /^-?\d{1,19}$/.test(text)) return BigInt(text);
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  throw new MuaraError(
    "table.unsupported",
    `The table is partitioned by "${name}" in a way that is not exported.`,
    {
      details: { column: name },
    },
  );
}

function daysOf(text: string): number {
  return Math.round(Date.parse(`${text}T00:00:00Z`) / DAY_MS);
}

function isInt32(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 2 ** 31;
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function int64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}
