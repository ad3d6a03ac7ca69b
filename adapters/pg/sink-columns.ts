/**
 * What a delivery's columns are in its table: which there are by the mode, how they are called, which of them make the
 * key, and what guards a row against an older one. `append` and `upsert` have the lake's columns as they are. `state`
 * has the source's, and beside them where each row comes from.
 */
import { DATA_COLUMNS, ENVELOPE_COLUMNS, EXTRA, INGEST_DATE } from "../../core/columns.ts";
import { BESIDE_SUFFIX } from "../../core/change.ts";
import type { PostgresTarget } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import type { SinkColumn } from "../../core/ports/sink.ts";
import { postgresType, takesOwnText, type TextOf, textOf } from "./sink-types.ts";

/** Of a row of `state`: the change that made it. */
export const SHARD = "_muara_shard";
export const VERSION = ["_muara_incarnation", "_muara_lsn", "_muara_index"] as const;
/** The record's key, where nobody says which columns the source's key has. */
export const KEY = "_muara_key";
/** Columns of a captured table that say what a change is (core/change.ts). */
export const BEFORE = "before";
export const CHANGE: readonly string[] = ["source", BEFORE];
const EVENT_ID = "event_id";
/** Which of two rows was accepted last. */
const ACCEPTED = ["ingest_time", "log_partition", "log_offset"] as const;

/** Kinds whose columns cannot hold all that the source's can; a text is beside others for another reason. */
const HAS_BESIDE: ReadonlySet<string> = new Set(["double", "decimal", "timestamp", "date", "json", "list"]);

export interface TargetColumn {
  /** In the target. */
  readonly name: string;
  /** As DDL writes it. */
  readonly type: string;
  /** In the lake; null: it is the sink's own. */
  readonly from: string | null;
  /** The text of a row's value. */
  readonly text: (values: Readonly<Record<string, unknown>>) => string | null;
}

export interface TargetPlan {
  readonly columns: readonly TargetColumn[];
  /** Names of those that are the primary key; [] for none. */
  readonly key: readonly string[];
  /** Columns that say which of two rows of a key is newer; [] for the one that comes later. */
  readonly guard: readonly string[];
  /** Whether a row takes the place of another of its key at all. */
  readonly replaces: boolean;
}

const OWN: ReadonlySet<string> = new Set([
  ...[...ENVELOPE_COLUMNS, ...DATA_COLUMNS].map(({ name }) => name),
  ...CHANGE,
  EXTRA,
  INGEST_DATE,
]);

/** @param hasShard of `state`: whether the shard stands first in the records' keys */
export function planTarget(
  { mode, key }: Pick<PostgresTarget, "mode" | "key">,
  columns: readonly SinkColumn[],
  hasShard: boolean,
): TargetPlan {
  if (mode === "state") return statePlan(columns, key, hasShard);
  const all = columns.map(plainColumn);
  const names = new Set(all.map(({ name }) => name));
  const wanted = key ?? [EVENT_ID];
  for (const name of wanted) if (!names.has(name)) throw missing(name, "the table of the lake");
  const guard = mode === "upsert" && ACCEPTED.every((name) => names.has(name)) ? ACCEPTED : [];
  return { columns: all, key: wanted, guard, replaces: mode === "upsert" };
}

function plainColumn(column: SinkColumn): TargetColumn {
  const { name } = column;
  const text = textOf(column);
  return { name, type: postgresType(column), from: name, text: (values) => text(values[name]) };
}

function statePlan(
  columns: readonly SinkColumn[],
  key: readonly string[] | undefined,
  hasShard: boolean,
): TargetPlan {
  for (const name of CHANGE)
    if (!columns.some((column) => column.name === name))
      throw missing(name, "the table: it is not a captured one");
  const data = columns.filter(({ name }) => !OWN.has(name.toLowerCase()));
  const byName = new Map(data.map((column) => [column.name, column]));
  const restored = new Map<string, SinkColumn>();
  for (const column of data) {
    const beside = byName.get(column.name + BESIDE_SUFFIX);
    if (beside?.type.kind === "string" && HAS_BESIDE.has(column.type.kind) && takesOwnText(column))
      restored.set(beside.name, column);
  }
  const own = [SHARD, ...VERSION].map((name): TargetColumn => {
    return { name, type: name === SHARD ? "text" : "bigint", from: null, text: () => null };
  });
  const keyColumn: TargetColumn = { name: KEY, type: "text", from: null, text: () => null };
  const all = data
    .filter(({ name }) => !restored.has(name))
    .map((column) => stateColumn(column, byName.get(column.name + BESIDE_SUFFIX), restored));
  const plan = { columns: [...all, ...(key ? [] : [keyColumn]), ...own], guard: VERSION, replaces: true };
  if (!key) return { ...plan, key: [KEY] };
  for (const name of key)
    if (!all.some((one) => one.name === name)) throw missing(name, "the captured table");
  return { ...plan, key: [...(hasShard ? [SHARD] : []), ...key] };
}

function stateColumn(
  column: SinkColumn,
  beside: SinkColumn | undefined,
  restored: ReadonlyMap<string, SinkColumn>,
): TargetColumn {
  const plain = plainColumn(column);
  const name = column.field ?? column.name;
  if (!HAS_BESIDE.has(column.type.kind) || !takesOwnText(column)) return { ...plain, name };
  const besideText: TextOf = beside && restored.has(beside.name) ? textOf(beside) : () => null;
  const key = name + BESIDE_SUFFIX;
  const text: TargetColumn["text"] = (values) =>
    plain.text(values) ?? besideText(beside && values[beside.name]) ?? textIn(values[EXTRA], key);
  return { ...plain, name, text };
}

/** What no column of the lake has: of a change as published, JSON text. */
function textIn(extra: unknown, key: string): string | null {
  // The name itself may be written with escapes.
  if (typeof extra !== "string" || !extra.includes(BESIDE_SUFFIX)) return null;
  const { data } = JSON.parse(extra) as { readonly data?: Readonly<Record<string, unknown>> };
  const found = data && Object.hasOwn(data, key) ? data[key] : undefined;
  return typeof found === "string" ? found : null;
}

function missing(column: string, place: string): MuaraError {
  return new MuaraError("delivery.target", `There is no column "${column}" in ${place}.`, {
    details: { column },
  });
}
