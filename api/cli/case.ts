/** `muara case ID` (or `case show ID`): one case of a business process as a timeline. */
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
};
