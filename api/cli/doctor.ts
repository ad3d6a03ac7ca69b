/** `muara doctor`: what is installed, what answers, and what to do about the rest; `--bundle` for who helps. */
import type { AddCommand } from "./command.ts";
import { runChecks } from "./doctor-checks.ts";
import { EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

const FIELDS: readonly Field[] = [{ name: "check" }, { name: "state" }, { name: "result" }, { name: "next" }];

export const addDoctor: AddCommand = (program, run) => {
  program
    .command("doctor")
    .description("check this machine, the data folder and the running service, and say what to do")
    .option("--bundle <file>", "also write a zip for who helps: checks, health, logs, metrics; no secrets")
    .option("--config <file>", "configuration file (MUARA_CONFIG; default muara.config.ts)")
    .action(
      run(async (session, command) => {
        const { bundle, config } = command.opts<{ bundle?: string; config?: string }>();
        const checks = await runChecks(session, config);
        const rows = checks.map((check) => ({ ...check, next: check.next ?? null }));
        printObjects(session.io.stdout, session.flags.output, FIELDS, rows);
        if (bundle !== undefined) {
          const { writeBundle } = await import("./doctor-bundle.ts");
          await writeBundle(session, bundle, checks, config);
        }
        return checks.some((check) => check.state === "failed") ? EXIT.checkFailed : EXIT.done;
      }),
    );
};
