/**
 * `muara table list|show|partitions|lineage|history|diff|verify|compact|pause|resume|expire|rollback|sweep|iceberg`.
 */
import { duration, wholeNumber, type AddCommand, type Session } from "./command.ts";
import { EXIT } from "./exit.ts";
import { addIceberg } from "./table-iceberg.ts";
import { printObject, printObjects, type Field } from "./output.ts";
import { addTableParts } from "./table-parts.ts";
import { addTableRemovals } from "./table-removals.ts";

interface TableSummary extends Readonly<Record<string, unknown>> {
  readonly name: string;
}

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "kind" },
  { name: "version", isNumber: true },
  { name: "rows", isNumber: true },
  { name: "files", isNumber: true },
  { name: "bytes", isNumber: true },
  { name: "freshness_ms", isNumber: true },
  { name: "watermark" },
  { name: "landing" },
];
/** What a table for people has no room for. */
const LIST_MORE: readonly Field[] = [{ name: "commit_interval_ms", isNumber: true }];
const COLUMNS: readonly Field[] = [{ name: "name" }, { name: "type" }, { name: "description" }];
const HISTORY: readonly Field[] = [
  { name: "version", isNumber: true },
  { name: "committed_at" },
  { name: "operation" },
  { name: "rows_added", isNumber: true },
  { name: "files_added", isNumber: true },
  { name: "files_removed", isNumber: true },
  { name: "bytes_added", isNumber: true },
  { name: "watermark" },
];
const CHECKS: readonly Field[] = [{ name: "check" }, { name: "state" }, { name: "note" }];
const FAULTS: readonly Field[] = [{ name: "check" }, { name: "path" }, { name: "problem" }];
const CHANGES: readonly Field[] = [{ name: "what" }, { name: "name" }, { name: "from" }, { name: "to" }];

const PAUSE_DEFAULT = "1h";

type Item = Readonly<Record<string, unknown>>;

export const addTable: AddCommand = (program, run) => {
  const table = program.command("table").description("what the lake holds");
  table
    .command("list")
    .description("the tables that the token may read")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: TableSummary[] }>("/v1/tables");
        const isShort = flags.output === "table" && !flags.isWide;
        printObjects(io.stdout, flags.output, isShort ? LIST : [...LIST, ...LIST_MORE], items);
      }),
    );
  table
    .command("show")
    .description("schema, place, size and freshness of one table")
    .argument("<table>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const shown = await client.get<Record<string, unknown>>(
          `/v1/tables/${encodeURIComponent(command.args[0]!)}`,
        );
        if (flags.output !== "table") return printObject(io.stdout, flags.output, shown);
        const { columns, ...rest } = shown;
        printObject(io.stdout, "table", rest);
        io.stdout.write("\n");
        printObjects(io.stdout, "table", COLUMNS, columns as Record<string, unknown>[]);
      }),
    );
  addTableParts(table, run);
  table
    .command("history")
    .description("the table's commits, newest first")
    .argument("<table>")
    .option("-n, --limit <number>", "commits to show", "20")
    .action(
      run(async ({ client, io, flags }, command) => {
        const limit = wholeNumber("--limit", command.opts<{ limit: string }>().limit, 1, 1_000);
        const route = `/v1/tables/${encodeURIComponent(command.args[0]!)}/history?limit=${limit}`;
        const { items } = await client.get<{ items: Record<string, unknown>[] }>(route);
        printObjects(io.stdout, flags.output, HISTORY, items);
      }),
    );
  table
    .command("diff")
    .description("what changed between two versions, by default the newest and the one before")
    .argument("<table>")
    .argument("[from]", "a version")
    .argument("[to]", "a version; default the newest")
    .action(run((session, command) => diff(session, command.args)));
  table
    .command("verify")
    .description("whether files and counters are what the table's log says; exit code 6 where not")
    .argument("<table>")
    .option("--deep", "read every byte of every file")
    .action(
      run((session, command) =>
        verify(session, command.args[0]!, command.opts<{ deep?: boolean }>().deep === true),
      ),
    );
  addTableRemovals(table, run);
  addUpkeep(table, run);
  addIceberg(table, run);
};

/** What an administrator of a table may have done to it. */
const addUpkeep: AddCommand = (table, run) => {
  table
    .command("compact")
    .description("put small files together, as upkeep does by itself")
    .argument("<table>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const done = await client.send<Item>(
          "POST",
          `/v1/tables/${encodeURIComponent(command.args[0]!)}/compact`,
        );
        printObject(io.stdout, flags.output, done);
      }),
    );
  table
    .command("pause")
    .description(
      "keep Muara from committing to the table, so that others may write it; events wait in the log",
    )
    .argument("<table>")
    .option("--for <duration>", "the pause ends by itself after e.g. 30m", PAUSE_DEFAULT)
    .action(
      run(async ({ client, io, flags }, command) => {
        const forMs = duration("--for", command.opts<{ for: string }>().for);
        const route = `/v1/tables/${encodeURIComponent(command.args[0]!)}/pause`;
        printObject(io.stdout, flags.output, await client.send<Item>("POST", route, { for_ms: forMs }));
      }),
    );
  table
    .command("resume")
    .description("end a pause")
    .argument("<table>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const route = `/v1/tables/${encodeURIComponent(command.args[0]!)}/resume`;
        printObject(io.stdout, flags.output, await client.send<Item>("POST", route));
      }),
    );
};

async function diff({ client, io, flags }: Session, args: readonly string[]): Promise<void> {
  const [table, from, to] = args;
  const query = new URLSearchParams({ ...(from ? { from } : {}), ...(to ? { to } : {}) });
  const found = await client.get<Record<string, unknown>>(
    `/v1/tables/${encodeURIComponent(table!)}/diff?${query.toString()}`,
  );
  if (flags.output !== "table") return printObject(io.stdout, flags.output, found);
  const { added, removed, columns, properties, counters, ...versions } = found;
  printObject(io.stdout, "table", { ...versions, added: sumText(added), removed: sumText(removed) });
  const changes = Object.entries({ column: columns, property: properties, counter: counters }).flatMap(
    ([what, items]) => (items as readonly Item[]).map((item) => ({ what, ...item })),
  );
  if (changes.length === 0) return;
  io.stdout.write("\n");
  printObjects(io.stdout, "table", CHANGES, changes);
}

function sumText(sum: unknown): string {
  const { files, bytes, rows } = sum as Readonly<Record<"files" | "bytes" | "rows", number | null>>;
  return `${files} files, ${bytes} bytes, ${rows ?? "unknown"} rows`;
}

async function verify({ client, io, flags, say }: Session, table: string, isDeep: boolean): Promise<number> {
  const found = await client.get<
    Item & { holds: boolean; checks: Item[]; faults: Item[]; fault_count: number }
  >(`/v1/tables/${encodeURIComponent(table)}/verify?deep=${String(isDeep)}`);
  if (flags.output === "table") {
    printObjects(io.stdout, "table", CHECKS, found.checks);
    if (found.faults.length > 0) io.stdout.write("\n");
    if (found.faults.length > 0) printObjects(io.stdout, "table", FAULTS, found.faults);
  } else printObject(io.stdout, flags.output, found);
  if (!found.holds) say(`${table}: ${found.fault_count} faults`);
  return found.holds ? EXIT.done : EXIT.checkFailed;
}
