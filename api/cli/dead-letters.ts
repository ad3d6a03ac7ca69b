/** `muara dead-letters list|groups|show|replay`: what was accepted and could not land. */
import { duration, wholeNumber, type AddCommand, type Session } from "./command.ts";
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

const GROUPS: readonly Field[] = [
  { name: "event_type" },
  { name: "reason" },
  { name: "count", isNumber: true },
  { name: "open", isNumber: true },
  { name: "landed", isNumber: true },
  { name: "duplicate", isNumber: true },
  { name: "dead_again", isNumber: true },
  { name: "first_seen" },
  { name: "last_seen" },
  { name: "sample" },
];

type Item = Readonly<Record<string, unknown>>;

interface Filters {
  readonly type?: string;
  readonly reason?: string;
  readonly state?: string;
  readonly since?: string;
  readonly limit: string;
}

interface Group extends Item {
  readonly sample: { readonly dead_letter_id: string };
}

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
        const query = queryOf(command.opts<Filters>(), io);
        const answer = await client.get<{ items: Record<string, unknown>[]; next_cursor: string | null }>(
          `/v1/dead-letters?${query.toString()}`,
        );
        printObjects(io.stdout, flags.output, LIST, answer.items);
        if (answer.next_cursor) say(`there are more than ${query.get("limit")!}; ask for more with -n`);
      }),
    );
  deadLetters
    .command("groups")
    .description("how many there are by event type and reason, the latest first, each with its newest")
    .option("--type <event-type>", "only of this event type")
    .option("--reason <code>", "an error code such as event.schema")
    .option("--state <state>", "open, landed, duplicate or dead_again (replayed, with that outcome)")
    .option("--since <duration>", "e.g. 2h")
    .option("-n, --limit <number>", "how many groups", "100")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const query = queryOf(command.opts<Filters>(), io);
        const path = `/v1/dead-letters/groups?${query.toString()}`;
        const { items, truncated } = await client.get<{ items: Group[]; truncated: boolean }>(path);
        const isForPeople = flags.output === "table" || flags.output === "csv";
        const rows = isForPeople
          ? items.map((one) => ({ ...one, sample: one.sample.dead_letter_id }))
          : items;
        printObjects(io.stdout, flags.output, GROUPS, rows);
        if (truncated) say(`there are more than ${query.get("limit")!}; ask for more with -n`);
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

/** What list and groups ask the server for. */
function queryOf({ type, reason, state, since, limit }: Filters, io: Session["io"]): URLSearchParams {
  const query = new URLSearchParams({ limit: String(wholeNumber("--limit", limit, 1, 1_000)) });
  if (type) query.set("event_type", type);
  if (reason) query.set("reason", reason);
  if (state) query.set("state", state);
  if (since) query.set("since", new Date(io.clock.nowMs() - duration("--since", since)).toISOString());
  return query;
}
