/** `muara job logs NAME`: the newest log lines about a job, of the process that answers. */
import { wholeNumber, type AddCommand } from "./command.ts";
import { printObjects, type Field } from "./output.ts";

type Line = Readonly<Record<string, unknown>>;

const FIELDS: readonly Field[] = [{ name: "time" }, { name: "level" }, { name: "message" }, { name: "more" }];
const SHOWN = new Set(["time", "level", "message", "job"]);

export const addJobLogs: AddCommand = (job, run) => {
  job
    .command("logs")
    .description("the newest log lines about it, oldest first; takes read on system:logs")
    .argument("<name>")
    .option("-n, --limit <number>", "how many", "100")
    .action(
      run(async ({ client, io, flags }, command) => {
        const limit = wholeNumber("--limit", command.opts<{ limit: string }>().limit, 1, 1_000);
        const name = command.args[0]!;
        await client.get(`/v1/jobs/${encodeURIComponent(name)}`);
        const query = new URLSearchParams({ job: name, limit: String(limit) });
        const { items } = await client.get<{ items: readonly Line[] }>(`/v1/logs?${query.toString()}`);
        const isText = flags.output === "table" || flags.output === "csv";
        printObjects(io.stdout, flags.output, FIELDS, isText ? items.map(withMore) : items);
      }),
    );
};

function withMore(line: Line): Line {
  const more = Object.entries(line).filter(([name]) => !SHOWN.has(name));
  const text = more.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(" ");
  return { ...line, more: text };
}
