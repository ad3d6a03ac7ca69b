/** `muara sql [QUERY]`: one statement over the lake, from the argument, a file or stdin. */
import type { Command } from "commander";
import { CUT_OFF } from "./client.ts";
import { duration, inputChunks, wholeNumber, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printRows } from "./output.ts";

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly unknown[])[];
  readonly complete_through: string | null;
  readonly versions: Readonly<Record<string, number>>;
  readonly truncated: boolean;
}

const STREAMED: Readonly<Record<string, string>> = {
  jsonl: "application/x-ndjson",
  csv: "text/csv",
  parquet: "application/vnd.apache.parquet",
  arrow: "application/vnd.apache.arrow.stream",
};
export const BINARY: readonly string[] = ["parquet", "arrow"];
const NUMBER = /^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\b.*)$/;

export const addSql: AddCommand = (program, run) => {
  program
    .command("sql")
    .description("query the lake: SELECT, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES")
    .argument("[query]", "the SQL; without it -f FILE, stdin, or at a terminal a shell")
    .option("-f, --file <file>", "read the SQL from a file (- for stdin)")
    .option("--at <point>", "a version (one table), a time (ISO 8601), or of a current state lsn:X/Y[@SHARD]")
    .option("--limit <rows>", "rows at most")
    .option("--timeout <duration>", "give up after e.g. 2m")
    .action(run(runSql));
};

interface SqlOptions {
  readonly file?: string;
  readonly at?: string;
  readonly limit?: string;
  readonly timeout?: string;
}

async function runSql(session: Session, command: Command): Promise<void> {
  const options = command.opts<SqlOptions>();
  const isShell = command.args.length === 0 && options.file === undefined && session.flags.takesInput;
  if (isShell) {
    const { runShell } = await import("./sql-shell.ts");
    return await runShell(session, (asked, sql) => printAnswer(asked, sql, options));
  }
  await printAnswer(session, await readSql(session, command.args[0], options.file), options);
}

/** Prints what one statement answers. */
async function printAnswer(session: Session, text: string, options: SqlOptions): Promise<void> {
  const { at, limit, timeout } = options;
  // The server looks at it only where a table is read.
  if (at !== undefined && !/^(?:\d+|lsn:.+)$/i.test(at) && Number.isNaN(Date.parse(at)))
    throw new CliFailure(
      EXIT.usage,
      `--at is a version, an ISO 8601 time such as 2026-11-20T00:00:00Z, or lsn:X/Y, not "${at}".`,
    );
  const body = {
    sql: text,
    ...(at === undefined ? {} : { at }),
    ...(limit === undefined ? {} : { limit: wholeNumber("--limit", limit, 1, 1_000_000_000) }),
    ...(timeout === undefined ? {} : { timeout_ms: Math.ceil(duration("--timeout", timeout)) }),
  };
  const { output } = session.flags;
  const accept = STREAMED[output];
  if (accept) return await stream(session, body, accept);
  const answer = await session.client.send<SqlAnswer>("POST", "/v1/sql", body);
  const fields = answer.columns.map(({ name, type }) => ({ name, isNumber: NUMBER.test(type) }));
  printRows(session.io.stdout, output, fields, answer.rows);
  if (answer.truncated) session.say(`only the first ${answer.rows.length} rows; ask for more with --limit`);
  if (session.flags.isVerbose)
    session.say(
      `versions ${JSON.stringify(answer.versions)}, complete through ${answer.complete_through ?? "unknown"}`,
    );
}

async function readSql(
  session: Session,
  query: string | undefined,
  file: string | undefined,
): Promise<string> {
  if (query !== undefined && file === undefined) return query;
  if (query !== undefined)
    throw new CliFailure(EXIT.usage, "give the SQL as an argument or with -f, not both.");
  if (file === undefined && session.io.stdin.isTTY)
    throw new CliFailure(EXIT.usage, "no SQL given.", 'Try: muara sql "SHOW TABLES"');
  const chunks: Uint8Array[] = [];
  for await (const chunk of inputChunks(session.io, file)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** As it comes: the server writes the format, nothing is held back here. */
async function stream(session: Session, body: unknown, accept: string): Promise<void> {
  const { stdout } = session.io;
  const { output } = session.flags;
  if (BINARY.includes(output) && stdout.isTTY)
    throw new CliFailure(
      EXIT.usage,
      `${output} is not for the terminal.`,
      `Redirect it: muara sql … -o ${output} > rows.${output}`,
    );
  const response = await session.client.fetch("POST", "/v1/sql", JSON.stringify(body), { accept });
  if (!response.body) return;
  try {
    for await (const chunk of response.body) stdout.write(chunk);
  } catch (error) {
    if (session.io.signal.aborted) throw error;
    throw new CliFailure(EXIT.failed, CUT_OFF);
  }
}
