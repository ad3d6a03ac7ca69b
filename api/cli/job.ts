/** `muara job plan|deploy|list|show|pause|resume|remove`: SELECTs that go on, with their results in tables. */
import { readFile } from "node:fs/promises";
import { type AddCommand, type RunAction } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";

type Item = Readonly<Record<string, unknown>>;

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "output" },
  { name: "state" },
  { name: "is_live" },
  { name: "behind_versions", isNumber: true },
  { name: "released_until" },
  { name: "problem" },
];
const START = /^([^@]+)@(\d{1,15})$/;

export const addJob: AddCommand = (program, run) => {
  const job = program.command("job").description("SELECTs that go on, with their results in tables");
  job
    .command("plan")
    .description("what a job would be, or where and why it is refused")
    .argument("<file>", "CREATE JOB … AS SELECT … EMIT ON WINDOW CLOSE INTO lake …")
    .action(
      run(async ({ client, io, flags }, command) => {
        const text = await readFile(command.args[0]!, "utf8");
        printObject(io.stdout, flags.output, await client.send<Item>("POST", "/v1/jobs/plan", { text }));
      }),
    );
  job
    .command("deploy")
    .description("run it; takes admin on its output table")
    .argument("<file>", "as for plan")
    .option(
      "--start <begin|now|TABLE@VERSION…>",
      "with all that is there, with what is not final yet, or at versions, with commas between",
      "begin",
    )
    .option("--limit <name=number...>", "memory_bytes, threads, step_rows, step_ms and others")
    .action(
      run(async ({ client, io, flags }, command) => {
        const { start, limit = [] } = command.opts<{ start: string; limit?: readonly string[] }>();
        const text = await readFile(command.args[0]!, "utf8");
        const body = { text, start: startOf(start), limits: Object.fromEntries(limit.map(limitOf)) };
        printObject(io.stdout, flags.output, await client.send<Item>("POST", "/v1/jobs", body));
      }),
    );
  job
    .command("list")
    .description("what runs")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: readonly Item[] }>("/v1/jobs");
        printObjects(io.stdout, flags.output, LIST, items);
      }),
    );
  addOne(job.command("show").description("how far one is"), run, "GET", "");
  addOne(job.command("pause").description("rest until it is resumed"), run, "POST", "/pause");
  addOne(job.command("resume").description("go on where it was"), run, "POST", "/resume");
  job
    .command("remove")
    .description("end it; its tables stay")
    .argument("<name>")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        await client.send("DELETE", `/v1/jobs/${encodeURIComponent(name)}`);
        say(`${name} is removed`);
      }),
    );
};

function addOne(
  command: ReturnType<Parameters<AddCommand>[0]["command"]>,
  run: RunAction,
  method: "GET" | "POST",
  tail: string,
): void {
  command.argument("<name>").action(
    run(async ({ client, io, flags }, { args }) => {
      const path = `/v1/jobs/${encodeURIComponent(args[0]!)}${tail}`;
      const one = method === "GET" ? await client.get<Item>(path) : await client.send<Item>("POST", path);
      printObject(io.stdout, flags.output, one);
    }),
  );
}

function startOf(text: string): string | Record<string, number> {
  if (text === "begin" || text === "now") return text;
  return Object.fromEntries(
    text.split(",").map((part) => {
      const match = START.exec(part.trim());
      if (match) return [match[1]!, Number(match[2])];
      throw new CliFailure(
        EXIT.usage,
        `--start: "${part}" is no TABLE@VERSION.`,
        "`muara job deploy --help`",
      );
    }),
  );
}

export function limitOf(text: string): [string, number] {
  const [name, value] = text.split("=");
  if (name && value && /^\d{1,15}$/.test(value)) return [name, Number(value)];
  throw new CliFailure(EXIT.usage, `--limit: "${text}" is no NAME=NUMBER.`, "`muara job deploy --help`");
}
