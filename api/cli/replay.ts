/**
 * `muara dead-letters replay`: publishes dead letters again, corrected or as they are. With `--dry-run` it says what
 * would become of each and writes nothing.
 */
import { duration, inputChunks, wholeNumber, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

/** Dead letters in one request. */
const PAGE = 200;
const LIMIT_DEFAULT = "10000";

const FIELDS: readonly Field[] = [
  { name: "dead_letter_id" },
  { name: "event_type" },
  { name: "event_id" },
  { name: "outcome" },
  { name: "code" },
  { name: "pointer" },
  { name: "detail" },
];

interface Options {
  readonly type?: string;
  readonly reason?: string;
  readonly since?: string;
  readonly until?: string;
  readonly all?: boolean;
  readonly set: readonly string[];
  readonly remove: readonly string[];
  readonly edit?: string;
  readonly dryRun?: boolean;
  readonly limit: string;
}

interface Answer {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly next_cursor: string | null;
}

export const addReplay: AddCommand = (deadLetters, run) => {
  deadLetters
    .command("replay")
    .description("publish dead letters again: those named, or the open ones that the flags choose")
    .argument("[id...]")
    .option("--type <event-type>", "those of this event type")
    .option("--reason <code>", "an error code such as event.value_out_of_range")
    .option("--since <duration>", "accepted since, e.g. 2h")
    .option("--until <duration>", "accepted until so long ago, e.g. 10m")
    .option("--all", "every open one")
    .option("--set <pointer=json>", "correct a place, e.g. /number=12; may be repeated", collect, [])
    .option("--remove <pointer>", "take a place away; may be repeated", collect, [])
    .option("--edit <file>", "publish the event in this file (- for stdin) instead; for one id")
    .option("--dry-run", "only say what would become of each")
    .option("-n, --limit <number>", "how many at most", LIMIT_DEFAULT)
    .action(
      run(async (session, command) => {
        const options = command.opts<Options>();
        const ids = [...new Set(command.args)];
        const limit = wholeNumber("--limit", options.limit, 1, 10_000_000);
        if (options.edit !== undefined && ids.length !== 1)
          throw new CliFailure(EXIT.usage, "--edit replaces exactly one dead letter; name it.");
        const body = { correction: await correctionOf(session, options), dry_run: options.dryRun === true };
        const items: Record<string, unknown>[] = [];
        for (let cursor: string | undefined; items.length < limit;) {
          const page = Math.min(PAGE, limit - items.length);
          const which = whichOf(
            session,
            ids.slice(items.length, items.length + page),
            ids.length > 0,
            options,
          );
          const filter = which.filter && { ...which.filter, ...(cursor === undefined ? {} : { cursor }) };
          const answer = await session.client.send<Answer>("POST", "/v1/dead-letters/replay", {
            ...body,
            ...(filter ? { filter } : { ids: which.ids }),
            limit: page,
          });
          items.push(...answer.items);
          cursor = answer.next_cursor ?? undefined;
          const isDone = ids.length > 0 ? items.length >= ids.length : cursor === undefined;
          if (isDone || items.length >= limit) break;
          session.say(`${items.length} so far`);
        }
        printObjects(session.io.stdout, session.flags.output, FIELDS, items);
        session.say(summaryOf(items));
        return items.some((item) => item["outcome"] === "refused") ? EXIT.failed : EXIT.done;
      }),
    );
};

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

interface Which {
  readonly ids?: readonly string[];
  readonly filter?: Readonly<Record<string, string>>;
}

function whichOf(session: Session, ids: readonly string[], isByIds: boolean, options: Options): Which {
  const { type, reason, since, until, all } = options;
  const isFiltered = [type, reason, since, until].some((value) => value !== undefined);
  if (isByIds && (isFiltered || all))
    throw new CliFailure(EXIT.usage, "give ids or flags that choose, not both.");
  if (isByIds) return { ids };
  if (!isFiltered && !all)
    throw new CliFailure(
      EXIT.usage,
      "name dead letters, or choose them with --type, --reason, --since, or --all.",
    );
  const ago = (flag: string, text: string): string =>
    new Date(session.io.clock.nowMs() - duration(flag, text)).toISOString();
  return {
    filter: {
      ...(type === undefined ? {} : { event_type: type }),
      ...(reason === undefined ? {} : { reason }),
      ...(since === undefined ? {} : { since: ago("--since", since) }),
      ...(until === undefined ? {} : { until: ago("--until", until) }),
    },
  };
}

async function correctionOf(
  { io }: Session,
  { set, remove, edit }: Options,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (edit !== undefined) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of inputChunks(io, edit)) chunks.push(chunk);
    return { event: new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)).trim() };
  }
  if (set.length === 0 && remove.length === 0) return undefined;
  const places = set.map((text) => {
    const at = text.indexOf("=");
    if (at < 0) throw new CliFailure(EXIT.usage, `--set is pointer=json, such as /number=12, not "${text}".`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
  return { set: Object.fromEntries(places) as Record<string, string>, remove };
}

function summaryOf(items: readonly Readonly<Record<string, unknown>>[]): string {
  const counts = Map.groupBy(items, ({ outcome }) => String(outcome));
  const parts = [...counts].map(([outcome, group]) => `${group.length} ${outcome.replaceAll("_", " ")}`);
  return parts.length > 0 ? parts.join(", ") : "no open dead letter is chosen";
}
