/** `muara job export`: a job as a program of Flink or Spark, on standard output. */
import { readFile } from "node:fs/promises";
import { EXPORT_TARGETS } from "../../core/job-export.ts";
import type { AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";

/** A name of a job has neither. */
const IS_FILE = /[\\/]|\.sql$/i;

export const addJobExport: AddCommand = (job, run) => {
  job
    .command("export")
    .description("print it as a program of another engine, or where and why it does not translate")
    .argument("<name|file>", "one that runs; or as for plan, with a slash in it or the ending .sql")
    .requiredOption(
      `--to <${EXPORT_TARGETS.join("|")}>`,
      "Flink SQL, or Python for Spark Structured Streaming",
    )
    .requiredOption(
      "--source <url>",
      "a folder (file:///…) with one of JSON lines per event type, or kafka://HOST:PORT",
    )
    .requiredOption("--sink <url>", "a folder (file:///…); results are in one named after their table")
    .action(
      run(async ({ client, io }, command) => {
        const asked = command.args[0]!;
        const options = command.opts<{ to: string; source: string; sink: string }>();
        if (!EXPORT_TARGETS.some((target) => target === options.to))
          throw new CliFailure(EXIT.usage, `--to: "${options.to}" is none of ${EXPORT_TARGETS.join(", ")}.`);
        const { text } = IS_FILE.test(asked)
          ? await client.send<{ text: string }>("POST", "/v1/jobs/export", {
              text: await readFile(asked, "utf8"),
              ...options,
            })
          : await client.get<{ text: string }>(
              `/v1/jobs/${encodeURIComponent(asked)}/export?${new URLSearchParams({ ...options }).toString()}`,
            );
        io.stdout.write(text);
      }),
    );
};
