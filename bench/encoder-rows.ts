/**
 * hyparquet-writer, which needs values: each line is parsed by JSON.parse, which rounds integers beyond 2^53, times
 * become milliseconds, a payload that is to be JSON text is written anew, a customer's fields are columns of their own.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { type BasicType, parquetWriteBuffer } from "hyparquet-writer";
import { ROW_GROUP_ROWS } from "../lake/parquet/encoded-file.ts";
import { ZSTD } from "../lake/parquet/zstd.ts";
import { CUSTOMER, ENVELOPE, type FieldKind, type SetName, TYPED } from "./encoder-lines.ts";

type Values = Record<string, unknown>;
type Kind = FieldKind | "json";

const IN_HYPARQUET: Record<Kind, BasicType> = {
  string: "STRING",
  timestamp: "TIMESTAMP",
  long: "INT64",
  double: "DOUBLE",
  boolean: "BOOLEAN",
  json: "STRING",
};
/** A column, and where its value is in a parsed line. */
interface Leaf {
  readonly name: string;
  readonly kind: Kind;
  readonly of: (line: Values) => unknown;
}

/** The object at a key, which every line has. */
function within(line: Values, key: string): Values {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- encoder-lines.ts makes them
  return line[key] as Values;
}

function leavesOf(set: SetName): readonly Leaf[] {
  const envelope = ENVELOPE.map(([name, kind]): Leaf => ({ name, kind, of: (line) => line[name] }));
  if (set === "open")
    return [...envelope, { name: "payload", kind: "json", of: (line) => JSON.stringify(line["payload"]) }];
  if (set === "escaped")
    return [...envelope, { name: "payload", kind: "string", of: (line) => line["payload"] }];
  return [
    ...envelope,
    ...TYPED.map(([name, kind]): Leaf => ({ name, kind, of: (line) => within(line, "payload")[name] })),
    ...CUSTOMER.map(([name, kind]): Leaf => ({
      name: `customer_${name}`,
      kind,
      of: (line) => within(within(line, "payload"), "customer")[name],
    })),
  ];
}

function* parsedLines(source: string): Generator<Values> {
  const bytes = readFileSync(source);
  for (let at = 0, end = bytes.indexOf(10); end >= 0; at = end + 1, end = bytes.indexOf(10, at))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- encoder-lines.ts makes them
    yield JSON.parse(bytes.toString("utf8", at, end)) as Values;
}

/** What a writer wants in the place of what JSON.parse gives. */
function valueFor(kind: Kind, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (kind === "timestamp") return new Date(value as string);
  return kind === "long" ? BigInt(value as number) : value;
}

export function hyparquetRun(set: SetName, source: string, target: string): () => Promise<void> {
  const leaves = leavesOf(set);
  return async () => {
    const columns = leaves.map((): unknown[] => []);
    for (const line of parsedLines(source))
      leaves.forEach(({ kind, of }, i) => columns[i]!.push(valueFor(kind, of(line))));
    const columnData = leaves.map(({ name, kind }, i) => ({
      name,
      data: columns[i]!,
      type: IN_HYPARQUET[kind],
      nullable: true,
    }));
    const compressors = { ZSTD: ZSTD.compress };
    const bytes = parquetWriteBuffer({
      columnData,
      codec: "ZSTD",
      compressors,
      rowGroupSize: ROW_GROUP_ROWS,
    });
    writeFileSync(target, new Uint8Array(bytes));
  };
}
