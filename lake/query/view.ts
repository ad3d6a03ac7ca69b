/**
 * A pinned snapshot as a DuckDB view: exact files, explicit types.
 *
 * The types come from the Delta schema, never from the files: a column that an old file lacks is NULL, a table
 * without files has its columns. Per combination of partition values one branch with constants, joined by UNION
 * ALL: the engine drops whole branches by their constants, and `schema` makes it open no footer while planning
 * (measured against union_by_name with 3,000 files: planning 25 times, a one-day count 7 times faster).
 *
 * The paths come to the engine as one text constant per branch, in a variable of the session: as a list of constants
 * the parser and the binder spend most of a short query on them, once for the view and once for the query (measured).
 */
import { MuaraError } from "../../core/errors.ts";
import { foldColumns } from "../current/current-table.ts";
import { FOLD_PLACE, foldQuery } from "../current/fold.ts";
import { foldInParts } from "../current/fold-parts.ts";
import { type DeltaType, parseSchema } from "../table/delta-schema.ts";
import { quoteName, quoteText } from "./quote.ts";

export { quoteName, quoteText } from "./quote.ts";

/** What the query process needs to know of one table. JSON-ready. */
export interface PinnedTable {
  /** Names under which the SQL mentions it, as written. */
  readonly names: readonly string[];
  /** Delta schema, JSON text of a struct type. */
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  readonly files: readonly PinnedFile[];
  /** Rows with a later ingest time than this are hidden (time travel beyond the kept files), ms since 1970 UTC. */
  readonly ingestedUntilMs: number | null;
  /** What of it may be seen; null or absent: all. */
  readonly part?: PinnedPart | null;
  /** Of a current state: what is laid over its rows. */
  readonly overlay?: PinnedOverlay;
}

/** Changes that are folded over the rows of a current state (lake/current/fold.ts). */
export interface PinnedOverlay {
  /** SQL condition on the rows that were merged; null: every row. */
  readonly rows: string | null;
  /** null: there are none. */
  readonly changes: {
    readonly schemaString: string;
    readonly partitionColumns: readonly string[];
    readonly files: readonly PinnedFile[];
    /** That the files have, at most. */
    readonly rows: number;
    /** SQL condition on rows of the change table. */
    readonly condition: string;
  } | null;
}

/** A declared view. */
export interface PinnedView {
  readonly name: string;
  /** Judged by the gate as it stands here. */
  readonly query: string;
}

/** A part of a table, of which the rest does not exist for the query. Conditions were judged by row-condition.ts. */
export interface PinnedPart {
  /** Condition on rows; null: every row. */
  readonly rows: string | null;
  /** At least one, by the table's own spelling. `when`: the rows that have it, NULL in others; null: all have it. */
  readonly columns: readonly { readonly name: string; readonly when: string | null }[];
}

export interface PinnedFile {
  /** Absolute path. */
  readonly path: string;
  readonly partitionValues: Readonly<Record<string, string | null>>;
}

const PRIMITIVES: Readonly<Record<string, string>> = {
  string: "VARCHAR",
  long: "BIGINT",
  integer: "INTEGER",
  short: "SMALLINT",
  byte: "TINYINT",
  float: "FLOAT",
  double: "DOUBLE",
  boolean: "BOOLEAN",
  binary: "BLOB",
  date: "DATE",
  timestamp: "TIMESTAMP WITH TIME ZONE",
};

/**
 * Columns of a Delta schema, in order, with the type that SQL shows.
 * @throws table.corrupt, table.unsupported
 */
export function sqlColumns(schemaString: string): readonly { name: string; type: string }[] {
  return parseSchema(schemaString).fields.map((field) => ({ name: field.name, type: sqlType(field.type) }));
}

function sqlType(type: DeltaType): string {
  if (typeof type === "string") {
    const decimal = /^decimal\((\d+),\s*(\d+)\)$/.exec(type);
    const known = decimal ? `DECIMAL(${decimal[1]},${decimal[2]})` : PRIMITIVES[type];
    if (known) return known;
    throw new MuaraError("table.unsupported", `The table has a column of type ${type}.`);
  }
  if (type.type === "array") return `${sqlType(type.elementType)}[]`;
  if (type.type === "map") return `MAP(${sqlType(type.keyType)}, ${sqlType(type.valueType)})`;
  // The engine has no struct without fields; such an object's content is in `extra`.
  if (type.fields.length === 0) return "VARCHAR";
  return `STRUCT(${type.fields.map((field) => `${quoteName(field.name)} ${sqlType(field.type)}`).join(", ")})`;
}

/** Every file that is read. */
export function filesOf({ files, overlay }: PinnedTable): readonly PinnedFile[] {
  return [...files, ...(overlay?.changes?.files ?? [])];
}

/** Whether the visible rows are copied, so that the engine needs the files no more once the statements have run. */
export function isCopied({ part }: PinnedTable): boolean {
  return part != null && (part.rows !== null || part.columns.some(({ when }) => when !== null));
}

/**
 * Variables and one CREATE VIEW per name of the table. Of a table with hidden rows the visible ones are copied into
 * a table in memory first: over a view the engine evaluates functions on the values of hidden rows (those of a
 * Parquet dictionary, measured with 1.5.5), and where one fails, the error tells of them.
 * @param index of the table in its query: the variables of several must differ
 * @param isInParts whether changes are folded in parts
 */
export function viewStatements(table: PinnedTable, index = 0, isInParts = false): readonly string[] {
  const { variables, whole } = table.overlay
    ? foldedBody(table, table.overlay, index, isInParts)
    : plainBody(table, index);
  const visible = table.part ? partOf(whole, table.part) : whole;
  const copy = `muara_visible_${index}`;
  const copies = isCopied(table) ? [`CREATE TABLE ${copy} AS ${visible}`] : [];
  const body = copies.length > 0 ? `FROM ${copy}` : visible;
  const distinct = new Map(table.names.map((name) => [name.toLowerCase(), name]));
  const views = [...distinct.values()].map((name) => `CREATE VIEW ${quoteName(name)} AS ${body}`);
  return [...variables, ...copies, ...views];
}

/**
 * Of one part of a table: the variables to set first, and the SELECT that gives it from those files.
 * @param columns names of those wanted, among the part's
 */
export function partStatements(
  table: PinnedTable & { readonly part: PinnedPart },
  columns: readonly string[],
  index: number,
): { readonly variables: readonly string[]; readonly select: string } {
  const groups = groupByPartition(table);
  const whole = viewBody(table, sqlColumns(table.schemaString), groups, index);
  const list = columns.map(quoteName).join(", ");
  return {
    variables: variablesOf(table, groups, index),
    select: `SELECT ${list} FROM (${partOf(whole, table.part)}) AS muara_part`,
  };
}

/** Changes of which the engine's memory holds all that is known of them, whatever they are. */
export const FOLDED_AT_ONCE = 200_000;

/** Of those that are folded in parts, and may be wide. */
const PART_ROWS = 50_000;

interface Body {
  readonly variables: readonly string[];
  readonly whole: string;
}

function plainBody(table: FileSet, index: number | string): Body {
  const groups = groupByPartition(table);
  return {
    variables: variablesOf(table, groups, index),
    whole: viewBody(table, sqlColumns(table.schemaString), groups, index),
  };
}

/**
 * Of a table with very many changes over it: a count of those that are not all there. The others are folded within
 * any memory, which costs less than to fold in parts.
 */
export function openChanges({ overlay }: PinnedTable, index: number): readonly string[] | undefined {
  const changes = overlay?.changes;
  if (!changes || changes.rows <= FOLDED_AT_ONCE) return undefined;
  const { variables, whole } = plainBody({ ...changes, ingestedUntilMs: null }, `${index}_changes`);
  const select = `SELECT count(*) FROM (${whole}) WHERE (${changes.condition}) AND len(source.unchanged) > 0`;
  return [...variables, select];
}

function foldedBody(
  table: PinnedTable,
  { rows, changes }: PinnedOverlay,
  index: number,
  isInParts: boolean,
): Body {
  const columns = foldColumns(table.schemaString);
  const names = columns.map(({ name }) => quoteName(name)).join(", ");
  const base = plainBody(table, index);
  const where = rows === null ? "" : ` WHERE ${rows}`;
  const whole = `SELECT ${names} FROM (${base.whole})${where}`;
  if (!changes) return { variables: base.variables, whole };
  const added = plainBody({ ...changes, ingestedUntilMs: null }, `${index}_changes`);
  const input = {
    base: whole,
    changes: `SELECT ${names}, ${FOLD_PLACE} FROM (${added.whole}) WHERE ${changes.condition}`,
    columns,
  };
  const variables = [...base.variables, ...added.variables];
  if (!isInParts) return { variables, whole: foldQuery(input) };
  const parts = foldInParts(input, Math.ceil(changes.rows / PART_ROWS), String(index));
  return { variables: [...variables, ...parts.statements], whole: parts.select };
}

/** What of a table its rows are read by. */
type FileSet = Pick<PinnedTable, "schemaString" | "partitionColumns" | "files" | "ingestedUntilMs">;

function variablesOf(table: FileSet, groups: readonly Group[], index: number | string): readonly string[] {
  const variables = groups.map(
    ([, paths], group) => `SET VARIABLE muara_files_${index}_${group} = ${listOfTexts(paths)}`,
  );
  if (groups.length > 0)
    variables.push(
      `SET VARIABLE muara_schema_${index} = ${readSchema(table.schemaString, table.partitionColumns)}`,
    );
  return variables;
}

/** Conditions stand on lines of their own: one may end in a comment. */
function partOf(whole: string, { rows, columns }: PinnedPart): string {
  const list = columns.map(({ name, when }) =>
    when === null
      ? quoteName(name)
      : `CASE WHEN (${when}\n) THEN ${quoteName(name)} END AS ${quoteName(name)}`,
  );
  const condition = rows === null ? "" : ` WHERE (${rows}\n)`;
  return `SELECT ${list.join(", ")} FROM (${whole}) AS muara_rows${condition}`;
}

/** The `schema` of `read_parquet`: the columns that are stored in the files, with their types. */
export function readSchema(schemaString: string, partitionColumns: readonly string[]): string {
  const stored = sqlColumns(schemaString).filter((column) => !partitionColumns.includes(column.name));
  const parts = stored.map(({ name, type }) => {
    const definition = `{name: ${quoteText(name)}, type: ${quoteText(type)}, default_value: NULL}`;
    return `${quoteText(name)}: ${definition}`;
  });
  return `MAP {${parts.join(", ")}}`;
}

type Columns = ReturnType<typeof sqlColumns>;
type Group = readonly [Readonly<Record<string, string | null>>, readonly string[]];

function viewBody(
  table: FileSet,
  columns: Columns,
  groups: readonly Group[],
  index: number | string,
): string {
  if (groups.length === 0) {
    const empty = columns.map((column) => `CAST(NULL AS ${column.type}) AS ${quoteName(column.name)}`);
    return `SELECT ${empty.join(", ")} WHERE false`;
  }
  const until =
    table.ingestedUntilMs === null
      ? ""
      : ` WHERE ingest_time <= epoch_ms(${Math.floor(table.ingestedUntilMs)})::TIMESTAMP AT TIME ZONE 'UTC'`;
  const branches = groups.map(([values], group) => {
    const list = columns.map((column) =>
      table.partitionColumns.includes(column.name)
        ? `CAST(${quotePartition(values[column.name])} AS ${column.type}) AS ${quoteName(column.name)}`
        : quoteName(column.name),
    );
    const files = `getvariable('muara_files_${index}_${group}')`;
    const schema = `getvariable('muara_schema_${index}')`;
    return `SELECT ${list.join(", ")} FROM read_parquet(${files}, schema = ${schema})${until}`;
  });
  return branches.join(" UNION ALL ");
}

/** The empty text stands for NULL, of whatever type (Delta's protocol, "Partition Value Serialization"). */
function quotePartition(value: string | null | undefined): string {
  return value == null || value === "" ? "NULL" : quoteText(value);
}

const SEPARATOR = "\u001F";

/**
 * A list of texts as an expression that is one constant.
 * @throws table.unsupported where a text has the separator in it, which no path of ours does
 */
export function listOfTexts(texts: readonly string[]): string {
  if (texts.length === 0) return "[]::VARCHAR[]";
  if (texts.some((text) => text.includes(SEPARATOR)))
    throw new MuaraError("table.unsupported", "The table has a file with a control character in its name.");
  return `string_split(${quoteText(texts.join(SEPARATOR))}, chr(31))`;
}

function groupByPartition(table: FileSet): readonly Group[] {
  const groups = new Map<string, [Readonly<Record<string, string | null>>, string[]]>();
  for (const file of table.files) {
    const key = JSON.stringify(table.partitionColumns.map((column) => file.partitionValues[column] ?? null));
    const group = groups.get(key);
    if (group) group[1].push(file.path);
    else groups.set(key, [file.partitionValues, [file.path]]);
  }
  return [...groups.values()];
}
