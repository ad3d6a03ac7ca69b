/**
 * `muara sql` at a terminal without a query: a shell. Statements end in a semicolon and may have several lines; what
 * begins with a dot is for the shell. Ctrl-C ends the query under way, or empties the line; Ctrl-D leaves.
 */
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";
import { Client } from "./client.ts";
import type { GlobalFlags, Session } from "./command.ts";
import { describeFailure } from "./exit.ts";
import { printObjects, printRows } from "./output.ts";
import type { CliIo, OutputFormat } from "./services.ts";

const HISTORY_MAX = 1_000;
const MODES: readonly OutputFormat[] = ["table", "json", "jsonl", "csv"];
const HELP = `SELECT …;          a query; it ends in a semicolon and may have several lines
.tables            the tables that the token may read
.schema TABLE      columns of one
.mode FORMAT       ${MODES.join(", ")}
.exit              leave (or Ctrl-D)
`;

/** Prints what one statement answers. */
type RunQuery = (session: Session, sql: string) => Promise<void>;

export async function runShell(session: Session, runQuery: RunQuery): Promise<void> {
  const names = await tableNames(session);
  session.say(`${session.client.url.origin}  .help for help`);
  await new Shell(session, runQuery, names).run();
}

class Shell {
  readonly #runQuery: RunQuery;
  readonly #lines: Interface;
  readonly #historyFile: string;
  #session: Session;
  #text = "";
  /** Of the query under way. */
  #query: AbortController | undefined;

  constructor(session: Session, runQuery: RunQuery, names: readonly string[]) {
    this.#session = session;
    this.#runQuery = runQuery;
    this.#historyFile = historyFileOf(session.io);
    this.#lines = createInterface({
      input: session.io.stdin as unknown as NodeJS.ReadableStream,
      output: session.io.stderr as unknown as NodeJS.WritableStream,
      terminal: session.io.environment["TERM"] !== "dumb",
      historySize: HISTORY_MAX,
      completer: (line: string) => complete(line, names),
    });
  }

  async run(): Promise<void> {
    const lines = this.#lines as Interface & { history: string[] };
    lines.history = [...(await readHistory(this.#historyFile))].toReversed();
    this.#lines.on("SIGINT", () => this.#interrupt());
    this.#prompt();
    for await (const line of this.#lines) {
      if ((await this.#take(line)) === "exit") break;
      this.#prompt();
    }
    this.#lines.close();
  }

  #prompt(): void {
    this.#lines.setPrompt(this.#text === "" ? "muara> " : "   ... ");
    this.#lines.prompt();
  }

  #interrupt(): void {
    if (this.#query) return this.#query.abort();
    this.#text = "";
    this.#session.io.stderr.write("^C\n");
    const lines = this.#lines as Interface & { line: string; cursor: number };
    lines.line = "";
    lines.cursor = 0;
    this.#prompt();
  }

  async #take(line: string): Promise<"exit" | undefined> {
    if (line.trim() === "" && this.#text === "") return undefined;
    await keepHistory(this.#historyFile, line);
    if (this.#text === "" && line.trimStart().startsWith(".")) return await this.#command(line.trim());
    this.#text += `${line}\n`;
    if (!line.trimEnd().endsWith(";")) return undefined;
    const sql = this.#text.trimEnd().slice(0, -1);
    this.#text = "";
    await this.#guarded((session) => this.#runQuery(session, sql));
    return undefined;
  }

  async #command(line: string): Promise<"exit" | undefined> {
    const [name, ...args] = line.split(/\s+/);
    const { io, flags } = this.#session;
    if (name === ".exit" || name === ".quit") return "exit";
    if (name === ".help") io.stderr.write(HELP);
    else if (name === ".tables")
      await this.#guarded(async (session) => {
        const items = (await tableNames(session)).map((table) => ({ table }));
        printObjects(io.stdout, flags.output, [{ name: "table" }], items);
      });
    else if (name === ".schema" && args[0] !== undefined)
      await this.#guarded((session) => printSchema(session, args[0]!));
    else if (name === ".mode" && MODES.includes(args[0] as OutputFormat))
      this.#session = { ...this.#session, flags: { ...flags, output: args[0] as OutputFormat } };
    else io.stderr.write(`no such command: ${line}\n${HELP}`);
    return undefined;
  }

  /** Failures are told, and the shell goes on; Ctrl-C ends only what runs. */
  async #guarded(action: (session: Session) => Promise<void>): Promise<void> {
    this.#query = new AbortController();
    const { signal } = this.#query;
    const io: CliIo = { ...this.#session.io, signal: AbortSignal.any([this.#session.io.signal, signal]) };
    const flags: GlobalFlags = this.#session.flags;
    try {
      await action({ ...this.#session, io, client: new Client(io, flags) });
    } catch (error) {
      this.#session.io.stderr.write(signal.aborted ? "interrupted\n" : describeFailure(error).text);
    } finally {
      this.#query = undefined;
    }
  }
}

async function tableNames({ client }: Session): Promise<readonly string[]> {
  const { items } = await client.get<{ items: readonly { readonly name: string }[] }>("/v1/tables");
  return items.map(({ name }) => name);
}

async function printSchema({ client, io, flags }: Session, table: string): Promise<void> {
  const { columns } = await client.get<{
    columns: readonly { readonly name: string; readonly type: string }[];
  }>(`/v1/tables/${encodeURIComponent(table)}`);
  const rows = columns.map(({ name, type }) => [name, type]);
  printRows(io.stdout, flags.output, [{ name: "name" }, { name: "type" }], rows);
}

function complete(line: string, names: readonly string[]): [string[], string] {
  const word = /[\w.]*$/.exec(line)![0];
  const words = line.startsWith(".") ? [".tables", ".schema", ".mode", ".help", ".exit", ...names] : names;
  return [words.filter((name) => name.toLowerCase().startsWith(word.toLowerCase())), word];
}

/** As the XDG base directory specification has it. */
function historyFileOf({ environment }: CliIo): string {
  const folder = environment["XDG_STATE_HOME"] ?? path.join(os.homedir(), ".local", "state");
  return path.join(folder, "muara", "sql-history");
}

async function readHistory(file: string): Promise<readonly string[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line !== "");
  // Cut now and then, not at every line.
  if (lines.length > 2 * HISTORY_MAX)
    await writeFile(file, `${lines.slice(-HISTORY_MAX).join("\n")}\n`, { mode: 0o600 }).catch(() => {});
  return lines.slice(-HISTORY_MAX);
}

/** A history that cannot be kept is no reason to fail. */
async function keepHistory(file: string, line: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await appendFile(file, `${line}\n`, { mode: 0o600 });
  } catch {
    // A home that is read-only.
  }
}
