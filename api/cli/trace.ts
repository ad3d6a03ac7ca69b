/** `muara trace EVENT_ID`: where is my event? */
import type { AddCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

interface Fates {
  readonly fates: readonly Readonly<Record<string, unknown>>[];
  readonly complete: boolean;
}

const FIELDS: readonly Field[] = [
  { name: "fate" },
  { name: "event_type" },
  { name: "partition", isNumber: true },
  { name: "offset", isNumber: true },
  { name: "ingest_time" },
  { name: "version", isNumber: true },
  { name: "about" },
];

export const addTrace: AddCommand = (program, run) => {
  program
    .command("trace")
    .description("every fate of an event id: landed, duplicate, dead letter, waiting")
    .argument("<event_id>")
    .option("--type <event-type>", "look only there")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const eventId = command.args[0]!;
        const { type } = command.opts<{ type?: string }>();
        const query = type === undefined ? "" : `?event_type=${encodeURIComponent(type)}`;
        const { fates, complete } = await client.get<Fates>(
          `/v1/events/${encodeURIComponent(eventId)}${query}`,
        );
        const shown = flags.output === "json" || flags.output === "jsonl" ? fates : fates.map(withAbout);
        printObjects(io.stdout, flags.output, FIELDS, shown);
        if (!complete)
          say("the log behind the tables is long; events that wait far behind were not searched");
        if (fates.length > 0) return EXIT.done;
        say(`no event "${eventId}" was accepted in the event types that you may read`);
        say("  one that the door refused is not kept: the answer to its publishing says why");
        return EXIT.notFound;
      }),
    );
};

function withAbout(fate: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...fate, about: aboutOf(fate) };
}

function aboutOf(fate: Readonly<Record<string, unknown>>): string {
  switch (fate["fate"]) {
    case "landed":
      return fate["late"] === true ? "late" : "in time";
    case "duplicate": {
      const place = `partition ${String(fate["first_partition"])}, offset ${String(fate["first_offset"])}`;
      const bytes = String(fate["verdict"]);
      return fate["first_offset"] === null ? `bytes ${bytes}` : `bytes ${bytes}; first: ${place}`;
    }
    case "dead_letter":
      return [replayOf(fate["state"]), fate["reason"], fate["pointer"], fate["detail"]]
        .filter(Boolean)
        .map(String)
        .join(" ");
    default:
      return "in the log, lands with the next commit";
  }
}

function replayOf(state: unknown): string | undefined {
  return typeof state === "string" && state !== "open"
    ? `replayed: ${state.replaceAll("_", " ")};`
    : undefined;
}
