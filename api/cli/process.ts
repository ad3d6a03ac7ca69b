/**
 * `muara process plan|deploy|list|show|funnel|pause|resume|remove`: business processes, whose rules run as jobs; what
 * they look like is in process-views.ts.
 */
import { readFile } from "node:fs/promises";
import { type AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { limitOf } from "./job.ts";
import { addProcessViews } from "./process-views.ts";
import { printObject, printObjects, type Field } from "./output.ts";
import { addOne } from "./show-one.ts";

type Item = Readonly<Record<string, unknown>>;

const PLAN: readonly Field[] = [{ name: "rule" }, { name: "kind" }, { name: "job_kind" }, { name: "table" }];
const LIST: readonly Field[] = [{ name: "name" }, { name: "tables" }, { name: "rules" }, { name: "states" }];
const RULES: readonly Field[] = [
  { name: "rule" },
  { name: "kind" },
  { name: "table" },
  { name: "state" },
  { name: "released_until" },
  { name: "problem" },
];
const FUNNEL: readonly Field[] = [
  { name: "activity" },
  { name: "cases", isNumber: true },
  { name: "events", isNumber: true },
  { name: "after_previous", isNumber: true },
  { name: "median_ms", isNumber: true },
  { name: "p90_ms", isNumber: true },
];
const FOLDER = "/v1/processes";

interface DeployOptions {
  readonly start: string;
  readonly limit?: readonly string[];
  readonly continue?: boolean;
}

export const addProcess: AddCommand = (program, run) => {
  const process = program
    .command("process")
    .description("business processes: deadlines, complex events, velocities");
  process
    .command("plan")
    .description("the jobs that a declaration becomes, or which field is refused and why")
    .argument("<file>", "a declaration in JSON")
    .option("--sql", "the jobs' files alone")
    .action(
      run(async ({ client, io, flags }, command) => {
        const declared = await declarationOf(command.args[0]!);
        const plan = await client.send<Item>("POST", `${FOLDER}/plan`, { process: declared });
        const rules = plan["rules"] as readonly Item[];
        if (command.opts<{ sql?: boolean }>().sql === true)
          io.stdout.write(rules.map(({ text }) => String(text)).join("\n"));
        else printObjects(io.stdout, flags.output, PLAN, rules);
      }),
    );
  process
    .command("deploy")
    .description("run its rules as jobs; takes admin on their tables and on process.NAME")
    .argument("<file>", "as for plan")
    .option("--start <begin|now>", "with all that is there, or with what is not final yet", "begin")
    .option("--limit <name=number...>", "of each job, as for `muara job deploy`")
    .option("--continue", "go on in the tables that a process of this name has left")
    .action(
      run(async ({ client, io, flags }, command) => {
        const { start, limit = [], continue: goesOn } = command.opts<DeployOptions>();
        const limits = Object.fromEntries(limit.map(limitOf));
        const body = {
          process: await declarationOf(command.args[0]!),
          start,
          limits,
          continue: goesOn === true,
        };
        const made = await client.send<Item>("POST", FOLDER, body);
        printObjects(io.stdout, flags.output, RULES, made["rules"] as readonly Item[]);
      }),
    );
  process
    .command("list")
    .description("what is declared")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: readonly Item[] }>(FOLDER);
        const rows = flags.output === "table" || flags.output === "csv" ? items.map(inShort) : items;
        printObjects(io.stdout, flags.output, LIST, rows);
      }),
    );
  process
    .command("show")
    .description("its rules and how far they are")
    .argument("<name>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const one = await client.get<Item>(`${FOLDER}/${encodeURIComponent(command.args[0]!)}`);
        if (flags.output === "json") printObject(io.stdout, flags.output, one);
        else printObjects(io.stdout, flags.output, RULES, one["rules"] as readonly Item[]);
      }),
    );
  process
    .command("funnel")
    .description("how many cases came to which activity, and how long it took")
    .argument("<name>")
    .option("--since <time>", "of cases that began then or later")
    .option("--until <time>", "of cases that began before")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const query = new URLSearchParams(command.opts<Record<string, string>>()).toString();
        const path = `${FOLDER}/${encodeURIComponent(command.args[0]!)}/funnel${query === "" ? "" : `?${query}`}`;
        const funnel = await client.get<Item>(path);
        printObjects(io.stdout, flags.output, FUNNEL, funnel["activities"] as readonly Item[]);
        say(`complete through ${(funnel["complete_through"] as string | null) ?? "nothing yet"}`);
      }),
    );
  addProcessViews(process, run);
  addOne(
    process.command("pause").description("its jobs rest until it is resumed"),
    run,
    FOLDER,
    "POST",
    "/pause",
  );
  addOne(
    process.command("resume").description("its jobs go on where they were"),
    run,
    FOLDER,
    "POST",
    "/resume",
  );
  process
    .command("remove")
    .description("end it and its jobs; the tables of its results stay")
    .argument("<name>")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        await client.send("DELETE", `${FOLDER}/${encodeURIComponent(name)}`);
        say(`${name} is removed`);
      }),
    );
};

function inShort(process: Item): Item {
  const rules = process["rules"] as readonly Item[];
  const states = [...new Set(rules.map(({ state }) => String(state)))].toSorted().join(", ");
  return {
    ...process,
    rules: rules.length,
    states,
    tables: (process["tables"] as readonly string[]).join(", "),
  };
}

async function declarationOf(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8");
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliFailure(EXIT.usage, `${file} is no JSON: ${why}`, "docs/PROCESSES.md has declarations");
  }
}
