/** `muara table partitions|lineage`: what a table consists of, what it comes from, what comes from it. */
import { wholeNumber, type AddCommand } from "./command.ts";
import { printObjects, type Field } from "./output.ts";

type Item = Readonly<Record<string, unknown>>;

interface Partitions {
  readonly count: number;
  readonly items: readonly (Item & { readonly values: Readonly<Record<string, string | null>> })[];
  readonly log_partitions: readonly Item[];
}

const PARTITIONS: readonly Field[] = [
  { name: "values" },
  { name: "files", isNumber: true },
  { name: "bytes", isNumber: true },
  { name: "rows", isNumber: true },
  { name: "newest_file_at" },
];
const LOG_PARTITIONS: readonly Field[] = [
  { name: "partition", isNumber: true },
  { name: "cursor", isNumber: true },
  { name: "end_offset", isNumber: true },
  { name: "lag_ms", isNumber: true },
  { name: "newest_event_time" },
  { name: "newest_ingest_time" },
  { name: "idle" },
];
const LINEAGE: readonly Field[] = [
  { name: "direction" },
  { name: "kind" },
  { name: "name" },
  { name: "detail" },
];

export const addTableParts: AddCommand = (table, run) => {
  table
    .command("partitions")
    .description("files, rows and bytes of each partition, the last first")
    .argument("<table>")
    .option("--log", "instead, how far landing is in each partition of the log")
    .option("-n, --limit <number>", "partitions to show", "100")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const options = command.opts<{ log?: boolean; limit: string }>();
        const limit = wholeNumber("--limit", options.limit, 1, 10_000);
        const route = `/v1/tables/${encodeURIComponent(command.args[0]!)}/partitions?limit=${limit}`;
        const { count, items, log_partitions: ofLog } = await client.get<Partitions>(route);
        if (options.log === true) return printObjects(io.stdout, flags.output, LOG_PARTITIONS, ofLog);
        const isForPeople = flags.output === "table" || flags.output === "csv";
        const rows = isForPeople ? items.map((one) => ({ ...one, values: valuesText(one.values) })) : items;
        printObjects(io.stdout, flags.output, PARTITIONS, rows);
        if (count > items.length) say(`there are ${count}; ask for more with -n`);
      }),
    );
  table
    .command("lineage")
    .description("what a table or a view is made of, and what is made of it, one hop")
    .argument("<table>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const route = `/v1/tables/${encodeURIComponent(command.args[0]!)}/lineage`;
        const { upstream, downstream } = await client.get<Record<"upstream" | "downstream", Item[]>>(route);
        const rows = [
          ...upstream.map((node) => ({ direction: "upstream", ...node })),
          ...downstream.map((node) => ({ direction: "downstream", ...node })),
        ];
        printObjects(io.stdout, flags.output, LINEAGE, rows);
      }),
    );
};

/** `day=2026-11-23`; null of a table without partition columns. */
function valuesText(values: Readonly<Record<string, string | null>>): string | null {
  const pairs = Object.entries(values).map(([column, value]) => `${column}=${value ?? "null"}`);
  return pairs.length > 0 ? pairs.join(" ") : null;
}
