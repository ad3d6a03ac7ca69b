/**
 * What lies between two versions of a table: files and rows that came and went, columns, properties and counters.
 * Files that were only written anew (compaction, wider types) show as added and removed with as many rows.
 */
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { statedRows } from "./table/add-file.ts";
import { type DeltaStruct, type DeltaType, parseSchema } from "./table/delta-schema.ts";

export interface SnapshotDiff {
  readonly from: number;
  readonly to: number;
  readonly added: FileSum;
  readonly removed: FileSum;
  /** Paths of columns with their type in either version; null where it has none. */
  readonly columns: readonly Change[];
  readonly properties: readonly Change[];
  /** `txn` counters. */
  readonly counters: readonly Change[];
}

export interface FileSum {
  readonly files: number;
  readonly bytes: number;
  /** null where a file does not say. */
  readonly rows: number | null;
}

export interface Change {
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

export function diffSnapshots(from: TableSnapshot, to: TableSnapshot): SnapshotDiff {
  return {
    from: from.version,
    to: to.version,
    added: sumOf(without(to, from)),
    removed: sumOf(without(from, to)),
    columns: changes(columnsOf(from), columnsOf(to)),
    properties: changes(propertiesOf(from), propertiesOf(to)),
    counters: changes(countersOf(from), countersOf(to)),
  };
}

function without({ files }: TableSnapshot, other: TableSnapshot): readonly AddFile[] {
  return [...files.values()].filter(({ path }) => !other.files.has(path));
}

function sumOf(files: readonly AddFile[]): FileSum {
  let rows: number | null = 0;
  for (const file of files) {
    const stated = statedRows(file);
    rows = rows === null || stated === undefined ? null : rows + stated;
  }
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0), rows };
}

type Values = ReadonlyMap<string, string>;

function changes(from: Values, to: Values): readonly Change[] {
  const names = [...new Set([...from.keys(), ...to.keys()])].sort();
  return names
    .filter((name) => from.get(name) !== to.get(name))
    .map((name) => ({ name, from: from.get(name) ?? null, to: to.get(name) ?? null }));
}

function columnsOf({ metadata }: TableSnapshot): Values {
  const columns = new Map<string, string>();
  if (metadata) addColumns(columns, parseSchema(metadata.schemaString), "");
  return columns;
}

function addColumns(columns: Map<string, string>, schema: DeltaStruct, prefix: string): void {
  for (const { name, type, nullable } of schema.fields) {
    columns.set(prefix + name, `${typeName(type)}${nullable ? "" : " not null"}`);
    let inner = type;
    let path = prefix + name;
    while (typeof inner !== "string" && inner.type === "array")
      [inner, path] = [inner.elementType, `${path}[]`];
    if (typeof inner !== "string" && inner.type === "struct") addColumns(columns, inner, `${path}.`);
  }
}

function typeName(type: DeltaType): string {
  if (typeof type === "string") return type;
  if (type.type === "array") return `array of ${typeName(type.elementType)}`;
  return type.type === "map" ? `map of ${typeName(type.keyType)} to ${typeName(type.valueType)}` : "struct";
}

/** Only Delta's own: Muara keeps the key of its id hashes among the others. */
function propertiesOf({ metadata }: TableSnapshot): Values {
  const all = Object.entries(metadata?.configuration ?? {});
  return new Map(all.filter(([name]) => name.startsWith("delta.")));
}

function countersOf({ txns }: TableSnapshot): Values {
  return new Map([...txns].map(([name, value]) => [name, value.toString()]));
}
