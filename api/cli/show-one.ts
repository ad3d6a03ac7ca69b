/** Commands about one declared thing by its name, whose answer is that thing. */
import type { AddCommand, RunAction } from "./command.ts";
import { printObject } from "./output.ts";

type Command = ReturnType<Parameters<AddCommand>[0]["command"]>;

/** @param folder of the thing's kind in the API @param tail behind its name */
export function addOne(
  command: Command,
  run: RunAction,
  folder: string,
  method: "GET" | "POST",
  tail = "",
): void {
  command.argument("<name>").action(
    run(async ({ client, io, flags }, { args }) => {
      const path = `${folder}/${encodeURIComponent(args[0]!)}${tail}`;
      type Item = Readonly<Record<string, unknown>>;
      const one = method === "GET" ? await client.get<Item>(path) : await client.send<Item>("POST", path);
      printObject(io.stdout, flags.output, one);
    }),
  );
}
