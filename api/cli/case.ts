/** `muara case ID` (or `case show ID`), `case list`: one case as a timeline; cases by name or by how far they are. */
import type { AddCommand } from "./command.ts";
import { printObject, printObjects, type Field } from "./output.ts";

type Item = Readonly<Record<string, unknown>>;

const EVENTS: readonly Field[] = [
  { name: "event_time" },
  { name: "activity" },
  { name: "fate" },
  { name: "event_id" },
  { name: "event_type" },
];
const DEADLINES: readonly Field[] = [
  { name: "rule" },
  { name: "state" },
  { name: "started_at" },
  { name: "due_at" },
  { name: "at" },
  { name: "resolved_at" },
];
const RELATED: readonly Field[] = [{ name: "related_case" }, { name: "events", isNumber: true }];

const FOUND: readonly Field[] = [
  { name: "case_id" },
  { name: "last" },
  { name: "last_at" },
  { name: "begun_at" },
  { name: "events", isNumber: true },
  { name: "late", isNumber: true },
];

interface ListOptions {
  readonly process?: string;
  readonly name?: string;
  readonly last?: string;
  readonly stuck?: boolean;
  readonly limit: string;
}

export const addCase: AddCommand = (program, run) => {
  const cases = program.command("case").description("cases of business processes");
  cases
    .command("show", { isDefault: true })
    .description("events, deadlines and related cases of one")
    .argument("<id>")
    .option("--process <name>", "needed where there are several")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const { process } = command.opts<{ process?: string }>();
        const query = process === undefined ? "" : `?process=${encodeURIComponent(process)}`;
        const found = await client.get<Item>(`/v1/cases/${encodeURIComponent(command.args[0]!)}${query}`);
        if (flags.output === "json") return printObject(io.stdout, flags.output, found);
        const list = (name: string): readonly Item[] => found[name] as readonly Item[];
        printObjects(io.stdout, flags.output, EVENTS, list("events"));
        // For programs there is one list; the whole is in the answer as JSON.
        if (flags.output !== "table") return;
        if (list("deadlines").length > 0) io.stdout.write("\n");
        if (list("deadlines").length > 0) printObjects(io.stdout, flags.output, DEADLINES, list("deadlines"));
        const related = list("related").map((one) => ({
          related_case: one["case_id"],
          events: (one["events"] as readonly unknown[]).length,
        }));
        if (related.length > 0) io.stdout.write("\n");
        if (related.length > 0) printObjects(io.stdout, flags.output, RELATED, related);
        if (found["is_truncated"] === true) say("the case has more events than are shown");
        say(`complete through ${(found["complete_through"] as string | null) ?? "nothing yet"}`);
      }),
    );
  cases
    .command("list")
    .description("cases that moved last, or those that are stuck")
    .option("--process <name>", "needed where there are several")
    .option("--name <part>", "with this in their name")
    .option("--last <activity>", "whose latest event is of this activity")
    .option("--stuck", "without an event of the last activity, longest silence first")
    .option("-n, --limit <n>", "how many", "100")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const { process, name, last, stuck, limit } = command.opts<ListOptions>();
        const asked = {
          process,
          q: name,
          last,
          limit,
          ...(stuck ? { unfinished: "true", order: "oldest" } : {}),
        };
        const given = Object.entries(asked).filter(
          (entry): entry is [string, string] => entry[1] !== undefined,
        );
        const found = await client.get<Item>(`/v1/cases?${new URLSearchParams(given)}`);
        printObjects(io.stdout, flags.output, FOUND, found["items"] as readonly Item[]);
        if (found["is_truncated"] === true) say("there are more");
      }),
    );
};
