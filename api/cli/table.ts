/** `muara table list|show|history`. */
import { wholeNumber, type AddCommand } from "./command.ts";
import { printObject, printObjects, type Field } from "./output.ts";

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
  { name: "commit_interval_ms", isNumber: true },
];
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

export const addTable: AddCommand = (program, run) => {
  const table = program.command("table").description("what the lake holds");
  table
    .command("list")
    .description("the tables that the token may read")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: TableSummary[] }>("/v1/tables");
        printObjects(io.stdout, flags.output, LIST, items);
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
};
