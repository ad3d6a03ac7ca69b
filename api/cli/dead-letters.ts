/** `muara dead-letters list|show|replay`: what was accepted and could not land. */
import { duration, wholeNumber, type AddCommand } from "./command.ts";
import { addReplay } from "./replay.ts";
import { printObject, printObjects, type Field } from "./output.ts";

const LIST: readonly Field[] = [
  { name: "ingest_time" },
  { name: "event_type" },
  { name: "state" },
  { name: "reason" },
  { name: "pointer" },
  { name: "detail" },
  { name: "dead_letter_id" },
];

export const addDeadLetters: AddCommand = (program, run) => {
  const deadLetters = program.command("dead-letters").description("what was accepted and could not land");
  deadLetters
    .command("list")
    .description("newest first")
    .option("--type <event-type>", "only of this event type")
    .option("--reason <code>", "an error code such as event.schema")
    .option("--state <state>", "open, landed, duplicate or dead_again (replayed, with that outcome)")
    .option("--since <duration>", "e.g. 2h")
    .option("-n, --limit <number>", "how many", "100")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const options = command.opts<{
          type?: string;
          reason?: string;
          state?: string;
          since?: string;
          limit: string;
        }>();
        const limit = wholeNumber("--limit", options.limit, 1, 1_000);
        const query = new URLSearchParams({ limit: String(limit) });
        if (options.type) query.set("event_type", options.type);
        if (options.reason) query.set("reason", options.reason);
        if (options.state) query.set("state", options.state);
        if (options.since) {
          const sinceMs = io.clock.nowMs() - duration("--since", options.since);
          query.set("since", new Date(sinceMs).toISOString());
        }
        const answer = await client.get<{ items: Record<string, unknown>[]; next_cursor: string | null }>(
          `/v1/dead-letters?${query.toString()}`,
        );
        printObjects(io.stdout, flags.output, LIST, answer.items);
        if (answer.next_cursor) say(`there are more than ${limit}; ask for more with -n`);
      }),
    );
  deadLetters
    .command("show")
    .description("one dead letter with the event as it was published")
    .argument("<id>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const route = `/v1/dead-letters/${encodeURIComponent(command.args[0]!)}`;
        const found = await client.get<Record<string, unknown>>(route);
        const { payload_base64: _bytes, ...shown } = found;
        printObject(io.stdout, flags.output, flags.output === "table" ? shown : found);
      }),
    );
  addReplay(deadLetters, run);
};
