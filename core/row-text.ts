/**
 * The text of a row that two engines make of what they hold, each in its own SQL, so that sums of its digests agree
 * exactly where the rows do. This page says which text it is; who writes the SQL is held to it by a test over all
 * types (`test/workers/capture/row-text.test.ts`).
 *
 *   text of a row = of each column in order: "v" + its value's text, nothing for NULL; then U+001F "e"
 *   value's text  = by the column's form, below; U+001F in it is followed by "s"
 *   digest        = MD5 of the UTF-8 bytes, as 32 hexadecimal digits; of a key: of the text of the key's columns
 *   slice        = the first 32 bits of the key's digest, modulo the number of slices; without a key: of the row's
 *   sums          = of the first, and of the last 64 bits of the row's digests, modulo 2^64
 *
 * | form             | text                                                                    |
 * | boolean          | true, false                                                             |
 * | integer, text    | as PostgreSQL shows it, trailing spaces and all                         |
 * | decimal          | the same, without zeros at the end of the fraction: its scale is a type's |
 * | float            | 16 hexadecimal digits of the IEEE 754 double that has its shortest text |
 * | instant          | µs since 1970 UTC                                                       |
 * | date             | 2026-11-22                                                              |
 * | bytes            | base64                                                                  |
 * | json, loose-json | as PostgreSQL shows it, line breaks as spaces; `null` is NULL           |
 * | array            | its JSON as core/change.ts has it                                       |
 * | what stands beside | as PostgreSQL shows it                                                |
 *
 * Sums, since equal rows must not cancel each other out; MD5, since both engines have it. It is no protection against
 * somebody who chooses rows to deceive.
 */
import type { SourceTableColumn } from "./ports/source.ts";

export type RowColumn = Pick<SourceTableColumn, "name" | "typeName" | "form" | "element" | "schema">;

export interface SliceSum {
  readonly slice: number;
  readonly rows: bigint;
  /** Modulo 2^64. */
  readonly first: bigint;
  readonly last: bigint;
}

export interface RowDigest {
  /** Of its key; without a key: of the row. */
  readonly key: string;
  readonly digest: string;
}

export interface RowValues extends RowDigest {
  /** [column] texts, null for NULL. */
  readonly values: readonly (string | null)[];
}

export const SEPARATOR = "\u001F";

/** Sums of a table, slice by slice. */
export class TableSums {
  /** [slice] */
  readonly #rows: BigUint64Array;
  readonly #first: BigUint64Array;
  readonly #last: BigUint64Array;

  constructor(slices: number) {
    this.#rows = new BigUint64Array(slices);
    this.#first = new BigUint64Array(slices);
    this.#last = new BigUint64Array(slices);
  }

  add(sums: Iterable<SliceSum>): void {
    for (const { slice, rows, first, last } of sums) {
      this.#rows[slice]! += rows;
      this.#first[slice]! += first; // modulo 2^64, as the array has it
      this.#last[slice]! += last;
    }
  }

  get rows(): bigint {
    return this.#rows.reduce((sum, rows) => sum + rows, 0n);
  }

  /** Of the whole table, as 32 hexadecimal digits. */
  get checksum(): string {
    return [this.#first, this.#last]
      .map((sums) =>
        BigInt.asUintN(
          64,
          sums.reduce((sum, one) => sum + one, 0n),
        ),
      )
      .map((sum) => sum.toString(16).padStart(16, "0"))
      .join("");
  }

  /** Slices in which the two are not the same. */
  differences(other: TableSums): number[] {
    const found: number[] = [];
    for (let slice = 0; slice < this.#rows.length; slice++) {
      const isSame =
        this.#rows[slice] === other.#rows[slice] &&
        this.#first[slice] === other.#first[slice] &&
        this.#last[slice] === other.#last[slice];
      if (!isSame) found.push(slice);
    }
    return found;
  }
}

const SLICE_ROWS = 2_000;
export const SLICES_MAX = 4_096;

/** How many slices a table of so many rows is cut into: a power of two. */
export function slicesFor(rows: number): number {
  const wanted = Math.max(1, Math.ceil(rows / SLICE_ROWS));
  return Math.min(SLICES_MAX, 2 ** Math.ceil(Math.log2(wanted)));
}
