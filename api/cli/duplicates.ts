/** `muara duplicates list|show`: what came again under an id that had landed, above all with other bytes. */
import { duration, wholeNumber, type AddCommand } from "./command.ts";
import { printObject, printObjects, visible, type Field } from "./output.ts";

const LIST: readonly Field[] = [
  { name: "ingest_time" },
  { name: "event_type" },
  { name: "event_id" },
  { name: "verdict" },
  { name: "duplicate_id" },
];
const DIFFERENCES: readonly Field[] = [{ name: "pointer" }, { name: "first" }, { name: "second" }];

export const addDuplicates: AddCommand = (program, run) => {
  const duplicates = program.command("duplicates").description("what came again under a known id");
  duplicates
    .command("list")
    .description("newest first")
    .option("--type <event-type>", "only of this event type")
    .option("--verdict <verdict>", "identical, different or unknown: compared with the bytes that landed")
    .option("--since <duration>", "e.g. 2h")
    .option("-n, --limit <number>", "how many", "100")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const options = command.opts<{ type?: string; verdict?: string; since?: string; limit: string }>();
        const limit = wholeNumber("--limit", options.limit, 1, 1_000);
        const query = new URLSearchParams({ limit: String(limit) });
        if (options.type) query.set("event_type", options.type);
        if (options.verdict) query.set("verdict", options.verdict);
        if (options.since)
          query.set("since", new Date(io.clock.nowMs() - duration("--since", options.since)).toISOString());
        const answer = await client.get<{ items: Record<string, unknown>[]; next_cursor: string | null }>(
          `/v1/duplicates?${query.toString()}`,
        );
        printObjects(io.stdout, flags.output, LIST, answer.items);
        if (answer.next_cursor) say(`there are more than ${limit}; ask for more with -n`);
      }),
    );
  duplicates
    .command("show")
    .description("one duplicate beside what landed, and where they differ")
    .argument("<id>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const route = `/v1/duplicates/${encodeURIComponent(command.args[0]!)}`;
        const found = await client.get<Record<string, unknown>>(route);
        if (flags.output !== "table") return printObject(io.stdout, flags.output, found);
        const { differences, ...shown } = found;
        printObject(io.stdout, "table", shown);
        io.stdout.write("\n");
        if (differences === null) io.stdout.write(`${visible("the log does not have both any more")}\n`);
        else printObjects(io.stdout, "table", DIFFERENCES, differences as Record<string, unknown>[]);
      }),
    );
};
