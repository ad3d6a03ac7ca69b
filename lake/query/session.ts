/**
 * The engine of a query process: opened with nothing, given one query's views, locked, then asked once.
 *
 * The gate has judged the SQL before. What stands here must hold without it: only the pinned files can be opened, no
 * setting changes, and only one statement of the kind SELECT runs. The last matters because the engine lets `COPY`
 * write to every file that it may read, and because a statement is expanded (pragmas) while it is parsed, so it is
 * parsed after the lock.
 */
import {
  DuckDBInstance,
  StatementType,
  type DuckDBConnection,
  type DuckDBPreparedStatement,
} from "@duckdb/node-api";
import {
  filesOf,
  FOLDED_AT_ONCE,
  isCopied,
  listOfTexts,
  openChanges,
  quoteName,
  quoteText,
  viewStatements,
  type PinnedTable,
  type PinnedView,
} from "./view.ts";

export interface EngineLimits {
  /** Of the engine's own accounting, bytes. */
  readonly memoryBytes: number;
  readonly threads: number;
  /** Where it may spill to; absent: nowhere. */
  readonly spill?: { readonly folder: string; readonly bytes: number };
}

export async function openEngine(limits: EngineLimits): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(limits.threads),
    memory_limit: `${Math.floor(limits.memoryBytes / 1_048_576)}MiB`,
    // User SQL does not spill: the disk is not its to fill, and it would be one more folder to write to.
    temp_directory: limits.spill?.folder ?? "",
    ...(limits.spill ? { max_temp_directory_size: sizeOf(limits.spill) } : {}),
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
    allow_persistent_secrets: "false",
  });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run("SET errors_as_json = true");
  return connection;
}

type Spill = NonNullable<EngineLimits["spill"]>;

function sizeOf({ bytes }: Spill): string {
  return `${Math.floor(bytes / 1_048_576)}MiB`;
}

/**
 * For queries of a current state: how much is laid over its rows is not the asker's doing. Before the lock.
 * @param spill its folder is the process's own
 */
export async function letSpill(connection: DuckDBConnection, spill: Spill): Promise<void> {
  await runAll(connection, [
    `SET temp_directory = ${quoteText(spill.folder)}`,
    `SET max_temp_directory_size = '${sizeOf(spill)}'`,
  ]);
}

/** @param paths files that may be opened from now on, for reading and (the engine's rule) writing */
export async function lock(connection: DuckDBConnection, paths: readonly string[]): Promise<void> {
  await runAll(connection, lockStatements(paths));
}

function lockStatements(paths: readonly string[]): readonly string[] {
  return [
    `SET allowed_paths = ${listOfTexts(paths)}`,
    "SET enable_external_access = false",
    "SET lock_configuration = true",
  ];
}

/**
 * Tables, then the declared views over them, each after those that it reads, then the lock.
 * @param output file that the answer is written to, where it is one
 * @throws ViewFails
 */
export async function pinTables(
  connection: DuckDBConnection,
  tables: readonly PinnedTable[],
  views: readonly PinnedView[],
  output: string | undefined,
): Promise<void> {
  const files = tables
    .filter((table) => !isCopied(table))
    .flatMap((table) => filesOf(table).map(({ path }) => path));
  const statements: string[] = [];
  for (const [index, table] of tables.entries())
    statements.push(...viewStatements(table, index, await needsParts(connection, table, index)));
  if (views.length > 0) await runAll(connection, statements.splice(0));
  for (const { name, query } of views)
    try {
      await connection.run(`CREATE VIEW ${quoteName(name)} AS ${query}`);
    } catch (cause) {
      throw new ViewFails(name, { cause });
    }
  await runAll(connection, [
    ...statements,
    ...lockStatements(output === undefined ? files : [...files, output]),
  ]);
}

/** Whether changes that lie over a table may be more than memory holds. */
async function needsParts(connection: DuckDBConnection, table: PinnedTable, index: number): Promise<boolean> {
  const statements = openChanges(table, index);
  if (!statements) return false;
  await runAll(connection, statements.slice(0, -1));
  const counted = await connection.runAndReadAll(statements.at(-1)!);
  return Number(counted.getRows()[0]![0]) > FOLDED_AT_ONCE;
}

/** In one call: each by itself costs as much again in going to and fro (measured). The first that fails is the last. */
async function runAll(connection: DuckDBConnection, statements: readonly string[]): Promise<void> {
  await connection.run(statements.join(";\n"));
}

/** A declared view asks for something that is not there, or not for this principal. */
export class ViewFails extends Error {}

/** The statement is not what the gate said it is. */
export class NotOneSelect extends Error {}

/**
 * Parses and binds, reads no row.
 * @throws NotOneSelect
 */
export async function prepareSelect(
  connection: DuckDBConnection,
  sql: string,
): Promise<DuckDBPreparedStatement> {
  const extracted = await connection.extractStatements(sql);
  if (extracted.count !== 1) throw new NotOneSelect(`${extracted.count} statements`);
  const prepared = await extracted.prepare(0);
  if (prepared.statementType !== StatementType.SELECT)
    throw new NotOneSelect(`statement type ${prepared.statementType}`);
  return prepared;
}

/** What the gate reads. It parses, looks nothing up and opens nothing. */
export async function serializeSql(scratch: DuckDBConnection, sql: string): Promise<string> {
  const answer = await scratch.runAndReadAll(
    "SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true)",
    [sql],
  );
  return String(answer.getRows()[0]![0]);
}
