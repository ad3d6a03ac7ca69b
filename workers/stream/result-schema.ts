/**
 * From the columns of a result, as the engine has them, to those of a table: the Delta type, and the cast that gives
 * it. Narrow numbers become wide ones, sums of integers the widest decimal, times without zone are UTC.
 */
import {
  DuckDBArrayType,
  DuckDBDecimalType,
  DuckDBListType,
  DuckDBStructType,
  type DuckDBType,
  DuckDBTypeId,
} from "@duckdb/node-api";
import { ROW_ID_COLUMN, ROW_WATERMARK_COLUMN } from "../../core/job.ts";
import { quoteName, quoteText } from "../../lake/query/quote.ts";
import {
  arrayOf,
  decimal,
  type DeltaStruct,
  type DeltaType,
  field,
  struct,
} from "../../lake/table/delta-schema.ts";

/** The result has a column that no table can hold. */
export class UnsupportedResult extends Error {}

interface Held {
  readonly delta: DeltaType;
  /** SQL. */
  readonly type: string;
}

const PLAIN: Partial<Record<DuckDBTypeId, Held>> = {};
const hold = (delta: DeltaType, type: string, ...ids: readonly DuckDBTypeId[]): void => {
  for (const id of ids) PLAIN[id] = { delta, type };
};
const { TINYINT, SMALLINT, INTEGER, BIGINT, UTINYINT, USMALLINT, UINTEGER } = DuckDBTypeId;
hold("long", "BIGINT", TINYINT, SMALLINT, INTEGER, BIGINT, UTINYINT, USMALLINT, UINTEGER);
hold(decimal(20, 0), "DECIMAL(20,0)", DuckDBTypeId.UBIGINT);
hold(decimal(38, 0), "DECIMAL(38,0)", DuckDBTypeId.HUGEINT, DuckDBTypeId.UHUGEINT);
hold("double", "DOUBLE", DuckDBTypeId.FLOAT, DuckDBTypeId.DOUBLE);
hold("boolean", "BOOLEAN", DuckDBTypeId.BOOLEAN);
hold("string", "VARCHAR", DuckDBTypeId.VARCHAR, DuckDBTypeId.UUID, DuckDBTypeId.ENUM, DuckDBTypeId.TIME);
hold("string", "VARCHAR", DuckDBTypeId.INTERVAL, DuckDBTypeId.SQLNULL);
hold("binary", "BLOB", DuckDBTypeId.BLOB);
hold("date", "DATE", DuckDBTypeId.DATE);
hold("timestamp", "TIMESTAMPTZ", DuckDBTypeId.TIMESTAMP, DuckDBTypeId.TIMESTAMP_TZ, DuckDBTypeId.TIMESTAMP_S);
hold("timestamp", "TIMESTAMPTZ", DuckDBTypeId.TIMESTAMP_MS, DuckDBTypeId.TIMESTAMP_NS);

/** @throws UnsupportedResult */
function held(type: DuckDBType, column: string): Held {
  if (type instanceof DuckDBDecimalType) {
    const { width, scale } = type;
    return { delta: decimal(width, scale), type: `DECIMAL(${width},${scale})` };
  }
  if (type instanceof DuckDBListType || type instanceof DuckDBArrayType) {
    const element = held(type.valueType, column);
    return { delta: arrayOf(element.delta), type: `${element.type}[]` };
  }
  if (type instanceof DuckDBStructType) {
    const fields = type.entryNames.map((name, i) => ({ name, ...held(type.entryTypes[i]!, column) }));
    return {
      delta: struct(...fields.map(({ name, delta }) => field(name, delta))),
      type: `STRUCT(${fields.map(({ name, type: inner }) => `${quoteName(name)} ${inner}`).join(", ")})`,
    };
  }
  const plain = PLAIN[type.typeId];
  if (plain) return plain;
  throw new UnsupportedResult(`the column "${column}" is of type ${String(type)}`);
}

export interface ResultShape {
  readonly schema: DeltaStruct;
  /** The SELECT with its columns cast to what the table holds. */
  readonly select: string;
}

/** @throws UnsupportedResult */
export function resultShape(
  select: string,
  names: readonly string[],
  types: readonly DuckDBType[],
): ResultShape {
  const distinct = new Set(names.map((name) => name.toLowerCase()));
  if (distinct.size < names.length) throw new UnsupportedResult("two columns have the same name");
  const columns = names.map((name, i) => ({ name, ...held(types[i]!, name) }));
  const list = columns.map(({ name, type }) => `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`);
  return {
    schema: struct(...columns.map(({ name, delta }) => field(name, delta))),
    select: `SELECT ${list.join(", ")} FROM (${select}\n) AS muara_result`,
  };
}

/** Before a step: of what the columns of its rows are made. @param watermarkMs null: the table has none yet */
export function rowVariables(prefix: string, watermarkMs: number | null): readonly string[] {
  const watermark = watermarkMs === null ? "NULL" : `make_timestamptz(${watermarkMs}::BIGINT * 1000)`;
  return [
    `SET VARIABLE row_prefix = ${quoteText(prefix)}`,
    `SET VARIABLE output_watermark = ${watermark}::TIMESTAMPTZ`,
  ];
}

/**
 * The rows of a result as the output table has them. A watermark that they bear already, as rows that have landed do,
 * is theirs, but never before the table's own: what was released behind them is released.
 */
export function withRowColumns({ schema, select }: ResultShape): ResultShape {
  const names = schema.fields.map(({ name }) => name.toLowerCase());
  if (names.includes(ROW_ID_COLUMN))
    throw new UnsupportedResult(`"${ROW_ID_COLUMN}" is a column of every job's table`);
  const rowId = `getvariable('row_prefix') || '-' || row_number() OVER () AS ${ROW_ID_COLUMN}`;
  const own = "getvariable('output_watermark')";
  const borne = schema.fields.find(({ name }) => name.toLowerCase() === ROW_WATERMARK_COLUMN);
  if (borne && borne.type !== "timestamp")
    throw new UnsupportedResult(`"${ROW_WATERMARK_COLUMN}" is no time with time zone`);
  const list = borne
    ? `* REPLACE (greatest(${quoteName(borne.name)}, ${own}) AS ${quoteName(borne.name)}), ${rowId}`
    : `*, ${rowId}, ${own} AS ${ROW_WATERMARK_COLUMN}`;
  const added = [
    field(ROW_ID_COLUMN, "string"),
    ...(borne ? [] : [field(ROW_WATERMARK_COLUMN, "timestamp")]),
  ];
  return {
    schema: struct(...schema.fields, ...added),
    select: `SELECT ${list} FROM (${select}\n) AS muara_rows`,
  };
}
