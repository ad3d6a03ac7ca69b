/** `muara capture check|add|list|show|pause|resume|recopy|reconcile|remove`: changes of databases, as events. */
import { addReconcile } from "./capture-reconcile.ts";
import type { AddCommand, RunAction, Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";
import { addOne } from "./show-one.ts";

type Item = Readonly<Record<string, unknown>>;

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "database" },
  { name: "shard" },
  { name: "state" },
  { name: "retained_bytes", isNumber: true },
  { name: "alert" },
  { name: "problem" },
];
const FINDINGS: readonly Field[] = [
  { name: "severity" },
  { name: "table" },
  { name: "problem" },
  { name: "remedy" },
];
const PAIR = /^([^=]+)=([^=]+)$/;

interface TableOptions {
  readonly database?: string;
  readonly table: readonly string[];
  readonly prefix?: string;
}

interface AddOptions extends TableOptions {
  readonly shard?: string;
  readonly keys: string;
  readonly copy: boolean;
  readonly heartbeat?: boolean;
  readonly owner?: string;
  readonly message: readonly string[];
  readonly outbox?: string;
  readonly description: string;
}

export const addCapture: AddCommand = (program, run) => {
  const capture = program.command("capture").description("changes of PostgreSQL databases, as events");
  addCheck(capture.command("check"), run);
  addAdd(capture.command("add"), run);
  capture
    .command("list")
    .description("what is captured")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: readonly Item[] }>("/v1/captures");
        const rows =
          flags.output === "table" ? items.map((one) => ({ ...one, alert: alertsOf(one) })) : items;
        printObjects(io.stdout, flags.output, LIST, rows);
      }),
    );
  addOne(capture.command("show").description("how far one is"), run, "/v1/captures", "GET");
  addOne(
    capture.command("pause").description("rest; the source keeps its log"),
    run,
    "/v1/captures",
    "POST",
    "/pause",
  );
  addOne(capture.command("resume").description("go on where it was"), run, "/v1/captures", "POST", "/resume");
  addRecopy(capture.command("recopy"), run);
  addReconcile(capture.command("reconcile"), run);
  capture
    .command("remove")
    .description("end it, and drop its slot and publications; event types and tables stay")
    .argument("<name>")
    .option("--keep-slot", "leave slot and publications where they are")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        const tail = command.opts<{ keepSlot?: boolean }>().keepSlot === true ? "?keep_slot=true" : "";
        const left = await client.send<Item | undefined>("DELETE", `${pathOf(name)}${tail}`);
        say(
          left?.["slot"] === undefined
            ? `${name} is removed`
            : `${name} is removed; its slot ${left["slot"] as string} goes once nobody reads it`,
        );
      }),
    );
};

function addCheck(command: ReturnType<Parameters<AddCommand>[0]["command"]>, run: RunAction): void {
  addTables(command)
    .description("every reason why capturing would not work, or would hurt the source; changes nothing")
    .argument("[name]", "a capture that is declared")
    .option("--database <name>", "or a database of the configuration")
    .action(
      run(async (session, given) => {
        const name = given.args[0];
        const options = given.opts<TableOptions>();
        if ((name === undefined) === (options.database === undefined))
          throw new CliFailure(EXIT.usage, "Give either a capture's name or --database NAME.");
        const { findings } =
          name === undefined
            ? await session.client.send<{ findings: readonly Item[] }>("POST", "/v1/captures/check", {
                database: options.database,
                ...tablesOf(options),
              })
            : await session.client.get<{ findings: readonly Item[] }>(`${pathOf(name)}/check`);
        return printFindings(session, findings);
      }),
    );
}

function addAdd(command: ReturnType<Parameters<AddCommand>[0]["command"]>, run: RunAction): void {
  addTables(command)
    .description("capture tables of a database; takes admin on their event types")
    .argument("<name>")
    .requiredOption("--database <name>", "database of the configuration")
    .option("--shard <name>", "name in every change; default: the database's")
    .option("--keys <shard|global>", "whether a key means the same row on every shard", "shard")
    .option("--no-copy", "leave out what is there already")
    .option("--heartbeat", "write a message into the source's log every now and then")
    .option("--owner <application>", "owning application of the event types")
    .option("--message <prefix=type>", "messages that become events (repeatable)", collect, [])
    .option("--outbox <table>", "a table whose inserts are events")
    .option("--description <text>", "what it is for", "")
    .action(
      run(async ({ client, io, flags, say }, given) => {
        const options = given.opts<AddOptions>();
        const created = await client.send<Item>("POST", "/v1/captures", {
          name: given.args[0],
          database: options.database,
          keys: options.keys,
          copy: options.copy ? "initial" : "none",
          heartbeat: options.heartbeat === true,
          description: options.description,
          ...tablesOf(options),
          ...(options.shard === undefined ? {} : { shard: options.shard }),
          ...(options.owner === undefined ? {} : { owning_application: options.owner }),
          ...(options.message.length > 0 ? { messages: pairsOf("--message", options.message) } : {}),
          ...(options.outbox === undefined ? {} : { outbox: { table: options.outbox } }),
        });
        printObject(io.stdout, flags.output, created);
        say(`see \`muara capture show ${String(created["name"])}\` for how far it is`);
      }),
    );
}

function addTables(
  command: ReturnType<Parameters<AddCommand>[0]["command"]>,
): ReturnType<Parameters<AddCommand>[0]["command"]> {
  return command
    .option("--table <schema.table[=type]>", "a table, and the event type it feeds (repeatable)", collect, [])
    .option("--prefix <name>", "of the event types that are not named; default: the database's name");
}

function addRecopy(command: ReturnType<Parameters<AddCommand>[0]["command"]>, run: RunAction): void {
  command
    .description("copy tables anew; without any, begin anew with a new slot and a copy of all tables")
    .argument("<name>")
    .option("--table <schema.table>", "only this one, beside the others (repeatable)", collect, [])
    .action(
      run(async ({ client, io, flags }, given) => {
        const { table } = given.opts<{ table: readonly string[] }>();
        const tail = new URLSearchParams(table.map((one) => ["table", one])).toString();
        const path = `${pathOf(given.args[0]!)}/recopy${tail === "" ? "" : `?${tail}`}`;
        printObject(io.stdout, flags.output, await client.send<Item>("POST", path));
      }),
    );
}

/** Exit code 1 where one of them is an error. */
function printFindings({ io, flags, say }: Session, findings: readonly Item[]): number {
  const rows = findings.map((one) =>
    flags.output === "table" ? { ...one, table: one["table"] ?? "" } : one,
  );
  printObjects(io.stdout, flags.output, FINDINGS, rows);
  const errors = findings.filter(({ severity }) => severity === "error").length;
  say(errors === 0 ? "it can be captured" : `${errors} reasons why it cannot be captured`);
  return errors === 0 ? EXIT.done : EXIT.failed;
}

function collect(value: string, all: readonly string[]): readonly string[] {
  return [...all, value];
}

/** With one name given all have to be named: then the tables are an object. */
function tablesOf({ table, prefix }: TableOptions): Item {
  const named = table.some((one) => one.includes("="));
  const tables = named ? pairsOf("--table", table) : table;
  return {
    ...(table.length === 0 ? {} : { tables }),
    ...(prefix === undefined ? {} : { prefix }),
  };
}

function pairsOf(option: string, pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const match = PAIR.exec(pair);
      if (!match) throw new CliFailure(EXIT.usage, `${option} is NAME=TYPE, for all of them, not "${pair}".`);
      return [match[1]!, match[2]!];
    }),
  );
}

function alertsOf({ alerts }: Item): string {
  return (alerts as readonly { reason: string }[]).map(({ reason }) => reason).join(",");
}

function pathOf(name: string): string {
  return `/v1/captures/${encodeURIComponent(name)}`;
}
