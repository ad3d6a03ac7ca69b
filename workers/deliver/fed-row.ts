/** A row of a data file on its way to a sink; its JSON is made by who asks for it. */
import type { Column } from "../../core/columns.ts";
import type { SinkRow } from "../../core/ports/sink.ts";
import { rowJson } from "../../core/row-json.ts";

const KEY = "event_key";
/** Of a value that is neither a text nor a number, as far as it is guessed. */
const NESTED_BYTES = 100;
const PLAIN_BYTES = 12;

type PartitionValues = Readonly<Record<string, string | null>>;

export class FedRow implements SinkRow {
  readonly key: string | null;
  readonly values: Readonly<Record<string, unknown>>;
  readonly #columns: readonly Column[];
  readonly #partitionValues: PartitionValues;
  #json: string | undefined;

  /** @param row becomes the row's own: what its table partition says is added */
  constructor(columns: readonly Column[], partitionValues: PartitionValues, row: Record<string, unknown>) {
    const key = row[KEY];
    this.key = typeof key === "string" ? key : null;
    this.#columns = columns;
    this.#partitionValues = partitionValues;
    this.values = Object.assign(row, partitionValues);
  }

  get json(): string {
    this.#json ??= this.#text();
    return this.#json;
  }

  /** Cheaper than its JSON. */
  get estimatedBytes(): number {
    let bytes = 0;
    for (const { name } of this.#columns) {
      const value = this.values[name];
      if (typeof value === "string") bytes += value.length;
      else if (value !== null && value !== undefined)
        bytes += typeof value === "object" ? NESTED_BYTES : PLAIN_BYTES;
    }
    return bytes;
  }

  #text(): string {
    const parts = this.#partitionValues;
    const inside = rowJson(
      this.#columns.filter(({ name }) => !Object.hasOwn(parts, name)),
      this.values,
    ).slice(1, -1);
    const beside = Object.entries(parts).map(
      ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
    );
    return `{${[...(inside === "" ? [] : [inside]), ...beside].join(",")}}`;
  }
}
