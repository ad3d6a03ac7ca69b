/** `muara extract list|show|status|fetches|get|verify|make|ddl|load|reconcile|contract`: feeds for the warehouse. */
import { wholeNumber, type AddCommand, type Session } from "./command.ts";
import { EXIT } from "./exit.ts";
import { addExtractChecks } from "./extract-checks.ts";
import { getExtract, type Gotten } from "./extract-get.ts";
import { printObject, printObjects, type Field } from "./output.ts";

const LIST: readonly Field[] = [
  { name: "feed" },
  { name: "kind" },
  { name: "window" },
  { name: "version", isNumber: true },
  { name: "windows", isNumber: true },
  { name: "rows", isNumber: true },
  { name: "complete_through" },
  { name: "state" },
];
const VERSIONS: readonly Field[] = [
  { name: "version", isNumber: true },
  { name: "created" },
  { name: "partitions", isNumber: true },
  { name: "rows", isNumber: true },
  { name: "files", isNumber: true },
  { name: "bytes", isNumber: true },
  { name: "ok" },
  { name: "complete_through" },
  { name: "retained_until" },
];
const RECEIPTS: readonly Field[] = [
  { name: "version", isNumber: true },
  { name: "received_at" },
  { name: "by" },
  { name: "rows", isNumber: true },
  { name: "equal" },
  { name: "differences" },
];
const FETCHES: readonly Field[] = [
  { name: "version", isNumber: true },
  { name: "by" },
  { name: "full" },
  { name: "manifest" },
  { name: "links" },
  { name: "files", isNumber: true },
  { name: "first_at" },
  { name: "last_at" },
];
const WITHHELD: readonly Field[] = [
  { name: "window" },
  { name: "check" },
  { name: "expected" },
  { name: "actual" },
];

type Item = Readonly<Record<string, unknown>>;
interface Status extends Item {
  readonly state: string;
  readonly problem: string | null;
  readonly withheld: readonly { readonly window: string; readonly failed: readonly Item[] }[];
  readonly reconciliation: { readonly equal: boolean } | null;
}

export const addExtract: AddCommand = (program, run) => {
  const extract = program.command("extract").description("files for the warehouse: closed, checked, kept");
  extract
    .command("list")
    .description("the feeds that the token may read")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: Item[] }>("/v1/extracts");
        printObjects(io.stdout, flags.output, LIST, items);
      }),
    );
  extract
    .command("show")
    .description("the versions of a feed that are kept")
    .argument("<feed>")
    .option("--since <version>", "only later ones", "0")
    .option("-n, --limit <number>", "versions to show", "20")
    .action(
      run(async ({ client, io, flags }, command) => {
        const options = command.opts<{ since: string; limit: string }>();
        const since = wholeNumber("--since", options.since, 0, Number.MAX_SAFE_INTEGER);
        const limit = wholeNumber("--limit", options.limit, 1, 1_000);
        const route = `${routeOf(command.args[0]!)}/versions?since=${since}&limit=${limit}`;
        const { items } = await client.get<{ items: Item[] }>(route);
        printObjects(io.stdout, flags.output, VERSIONS, items);
      }),
    );
  extract
    .command("status")
    .description("how a feed is doing, and what loaders said; exit code 6 where something does not hold")
    .argument("<feed>")
    .action(run((session, command) => status(session, command.args[0]!)));
  extract
    .command("fetches")
    .description("who fetched what of a feed's newest versions")
    .argument("<feed>")
    .option("-n, --limit <number>", "versions that were fetched at all", "20")
    .action(
      run(async ({ client, io, flags }, command) => {
        const limit = wholeNumber("--limit", command.opts<{ limit: string }>().limit, 1, 1_000);
        const route = `${routeOf(command.args[0]!)}/fetches?limit=${limit}`;
        const { items } = await client.get<{ items: Item[] }>(route);
        printObjects(io.stdout, flags.output, FETCHES, items);
      }),
    );
  extract
    .command("get")
    .description("download what is new into a folder, checked and resumable; run it again any time")
    .argument("<feed>")
    .option("--to <dir>", "folder; it remembers the version", ".")
    .option("--presigned", "files from S3 itself instead of through the server", false)
    .action(
      run(async (session, command) => {
        const { to, presigned } = command.opts<{ to: string; presigned: boolean }>();
        const got = await getExtract(session, command.args[0]!, to, presigned);
        printGotten(session, got);
      }),
    );
  extract
    .command("make")
    .alias("build")
    .description("look at a feed now instead of at its next time; takes write on the extract")
    .argument("<feed>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const made = await client.send<Item>("POST", `${routeOf(command.args[0]!)}/make`);
        printObject(io.stdout, flags.output, made);
        return (made["withheld"] as readonly unknown[]).length > 0 ? EXIT.checkFailed : EXIT.done;
      }),
    );
  for (const what of ["ddl", "load"] as const)
    extract
      .command(what)
      .description(what === "ddl" ? "CREATE TABLE for a warehouse" : "SQL that loads one version")
      .argument("<feed>")
      .requiredOption("--target <name>", "oracle, snowflake, bigquery or redshift")
      .option("--of <version>", "default: the newest")
      .option("--table <name>", "default: the feed's name")
      .option("--base <address>", "where the warehouse finds the files, e.g. gs://bucket/folder")
      .action(run((session, command) => script(session, command.args[0]!, what, command.opts())));
  addExtractChecks(extract, run);
  extract
    .command("contract")
    .description("the feed as a data contract (ODCS 3.1.0)")
    .argument("<feed>")
    .action(
      run(async ({ client, io }, command) => {
        const response = await client.fetch("GET", `${routeOf(command.args[0]!)}/contract`);
        io.stdout.write(await response.text());
      }),
    );
};

export function routeOf(feed: string): string {
  return `/v1/extracts/${encodeURIComponent(feed)}`;
}

async function status({ client, io, flags, say }: Session, feed: string): Promise<number> {
  const shown = await client.get<Status>(routeOf(feed));
  const { items } = await client.get<{ items: Item[] }>(`${routeOf(feed)}/receipts?limit=10`);
  if (flags.output === "table") {
    const { withheld, reconciliation: _last, ...rest } = shown;
    printObject(io.stdout, "table", rest);
    const failed = withheld.flatMap((one) => one.failed.map((check) => ({ window: one.window, ...check })));
    if (failed.length > 0) {
      io.stdout.write("\n");
      printObjects(io.stdout, "table", WITHHELD, failed);
    }
    if (items.length > 0) {
      io.stdout.write("\n");
      printObjects(io.stdout, "table", RECEIPTS, items);
    }
  } else printObject(io.stdout, flags.output, { ...shown, receipts: items });
  const holds = ["ready", "waiting"].includes(shown.state) && (shown.reconciliation?.equal ?? true);
  if (!holds) say(`${feed}: ${shown.problem ?? "the last receipt differs"}`);
  return holds ? EXIT.done : EXIT.checkFailed;
}

async function script(
  { client, io }: Session,
  feed: string,
  what: "ddl" | "load",
  options: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { of: given, target, table, base } = options;
  const newest = async (): Promise<number> => (await client.get<{ version: number }>(routeOf(feed))).version;
  const version =
    given === undefined ? await newest() : wholeNumber("--of", given, 1, Number.MAX_SAFE_INTEGER);
  const query = new URLSearchParams({
    target: target!,
    ...(table ? { table } : {}),
    ...(base ? { base } : {}),
  });
  const response = await client.fetch(
    "GET",
    `${routeOf(feed)}/versions/${version}/${what}?${query.toString()}`,
  );
  io.stdout.write(await response.text());
}

function printGotten({ io, flags }: Session, got: Gotten): void {
  printObject(io.stdout, flags.output, { ...got });
}
