/**
 * The four tables of pgbench's TPC-B, and the text of a row that its digest is of: written once in PostgreSQL's SQL
 * and once in DuckDB's, so that a digest computed by the source says what the lake must hold.
 */

export interface TellerTable {
  readonly name: string;
  /** null: it only gets inserts. */
  readonly key: string | null;
  readonly columns: readonly string[];
  /** What a transaction does to it. */
  readonly change: "INSERT" | "UPDATE";
}

export const TELLER_TABLES: readonly TellerTable[] = [
  {
    name: "pgbench_accounts",
    key: "aid",
    columns: ["aid", "bid", "abalance", "filler"],
    change: "UPDATE",
  },
  {
    name: "pgbench_tellers",
    key: "tid",
    columns: ["tid", "bid", "tbalance", "filler"],
    change: "UPDATE",
  },
  { name: "pgbench_branches", key: "bid", columns: ["bid", "bbalance", "filler"], change: "UPDATE" },
  {
    name: "pgbench_history",
    key: null,
    columns: ["tid", "bid", "aid", "delta", "mtime", "filler"],
    change: "INSERT",
  },
];

export type Dialect = "postgres" | "duckdb";

/** An expression over a row; concat() in PostgreSQL shows char(n) with its blanks, a cast does not. */
export function digestSql({ columns }: TellerTable, dialect: Dialect): string {
  const parts = columns.map((column) => {
    const text = column === "mtime" ? microseconds(column, dialect) : `concat(${column})`;
    return `case when ${column} is null then '~' else concat('=', ${text}) end`;
  });
  return `md5(concat(${parts.join(", '|', ")}))`;
}

/** A list of two columns: key and digest. */
export function rowSql(table: TellerTable, dialect: Dialect): string {
  const key = table.key === null ? "null" : `concat(${table.key})`;
  return `${key} as key, ${digestSql(table, dialect)} as digest`;
}

function microseconds(column: string, dialect: Dialect): string {
  if (dialect === "duckdb") return `epoch_us(cast(${column} as timestamp))`;
  return `(extract(epoch from ${column}) * 1000000)::bigint`;
}
