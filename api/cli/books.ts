/** `muara books`: does accepted = landed + duplicates + dead letters + in flight hold? */
import { Option } from "commander";
import type { AddCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

const COUNTS: readonly Field[] = [
  { name: "accepted", isNumber: true },
  { name: "landed", isNumber: true },
  { name: "duplicates", isNumber: true },
  { name: "dead_letters", isNumber: true },
  { name: "in_flight", isNumber: true },
  { name: "balanced" },
];
const PLACE: Readonly<Record<string, readonly Field[]>> = {
  event_type: [{ name: "event_type" }],
  partition: [{ name: "event_type" }, { name: "partition", isNumber: true }],
  hour: [{ name: "event_type" }, { name: "partition", isNumber: true }, { name: "hour" }],
};

interface Books {
  readonly balanced: boolean;
  readonly items: readonly Record<string, unknown>[];
}

export const addBooks: AddCommand = (program, run) => {
  program
    .command("books")
    .description("accepted = landed + duplicates + dead letters + in flight, per event type")
    .argument("[type]", "one event type")
    .addOption(new Option("--by <detail>", "how finely").choices(Object.keys(PLACE)).default("event_type"))
    .option("--check", "exit with 6 where the books do not balance")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const { by, check } = command.opts<{ by: string; check?: boolean }>();
        const query = new URLSearchParams({ by });
        if (command.args[0] !== undefined) query.set("event_type", command.args[0]);
        const books = await client.get<Books>(`/v1/books?${query.toString()}`);
        printObjects(io.stdout, flags.output, [...PLACE[by]!, ...COUNTS], books.items);
        const different = books.items.reduce(
          (sum, item) => sum + Number(item["duplicates_different"] ?? 0),
          0,
        );
        if (different > 0)
          say(`${different} duplicates had other bytes: muara duplicates list --verdict different`);
        if (!books.balanced) say("the books do not balance");
        return check && !books.balanced ? EXIT.checkFailed : EXIT.done;
      }),
    );
};
