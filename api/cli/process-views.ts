/** `muara process map|variants|deadlines`: how cases went through a process. */
import type { Command } from "commander";
import type { RunAction } from "./command.ts";
import { printObjects, type Field } from "./output.ts";

type Item = Readonly<Record<string, unknown>>;

const MAP: readonly Field[] = [
  { name: "from" },
  { name: "to" },
  { name: "times", isNumber: true },
  { name: "cases", isNumber: true },
  { name: "median_ms", isNumber: true },
  { name: "p95_ms", isNumber: true },
];
const VARIANTS: readonly Field[] = [
  { name: "cases", isNumber: true },
  { name: "median_ms", isNumber: true },
  { name: "example" },
  { name: "path" },
];
const STATES: readonly Field[] = [
  { name: "rule" },
  { name: "kind" },
  { name: "open", isNumber: true },
  { name: "met", isNumber: true },
  { name: "breached", isNumber: true },
  { name: "resolved_late", isNumber: true },
];
const CASES: readonly Field[] = [
  { name: "case_id" },
  { name: "state" },
  { name: "started_at" },
  { name: "due_at" },
  { name: "resolved_at" },
];

export function addProcessViews(process: Command, run: RunAction): void {
  within(
    process.command("map").description("from which activity cases went to which, and how long it took"),
  ).action(
    run(async ({ client, io, flags }, command) => {
      const map = await client.get<Item>(pathOf(command.args[0]!, "map", command.opts()));
      printObjects(io.stdout, flags.output, MAP, map["edges"] as readonly Item[]);
    }),
  );
  within(process.command("variants").description("the ways that cases took, the most common first"))
    .option("-n, --limit <n>", "how many", "20")
    .action(
      run(async ({ client, io, flags }, command) => {
        const told = await client.get<Item>(pathOf(command.args[0]!, "variants", command.opts()));
        const items = told["items"] as readonly Item[];
        const isText = flags.output === "table" || flags.output === "csv";
        const rows = items.map((one) =>
          isText ? { ...one, path: (one["path"] as string[]).join(" > ") } : one,
        );
        printObjects(io.stdout, flags.output, VARIANTS, rows);
      }),
    );
  within(process.command("deadlines").description("how deadlines and completions of all cases stand"))
    .option("--rule <name>", "the cases of this one instead")
    .option("--state <states>", "open, met, breached, resolved_late, with commas; with --rule")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const { rule, ...options } = command.opts<Record<string, string>>();
        const rest = rule === undefined ? "deadlines" : `deadlines/${encodeURIComponent(rule)}`;
        const told = await client.get<Item>(pathOf(command.args[0]!, rest, options));
        const items = told["items"] as readonly Item[];
        const isShort = rule === undefined && (flags.output === "table" || flags.output === "csv");
        const rows = isShort ? items.map((one) => ({ ...one, ...(one["states"] as Item) })) : items;
        printObjects(io.stdout, flags.output, rule === undefined ? STATES : CASES, rows);
        say(`complete through ${(told["complete_through"] as string | null) ?? "nothing yet"}`);
      }),
    );
}

function within(command: Command): Command {
  return command
    .argument("<name>")
    .option("--since <time>", "of cases that began then or later")
    .option("--until <time>", "of cases that began before");
}

function pathOf(name: string, rest: string, options: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(options).toString();
  return `/v1/processes/${encodeURIComponent(name)}/${rest}${query === "" ? "" : `?${query}`}`;
}
