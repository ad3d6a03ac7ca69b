/** `muara config show|check|docs`: every key, its value, and where the value came from. */
import process from "node:process";
import type { ConfigEntry } from "../../core/config.ts";
import type { AddCommand, Session } from "./command.ts";
import { printObjects, type Field } from "./output.ts";
import { redactor } from "./redact.ts";

const SHOW: readonly Field[] = [{ name: "key" }, { name: "value" }, { name: "origin" }];
const DOCS: readonly Field[] = [
  { name: "key" },
  { name: "default" },
  { name: "variable" },
  { name: "description" },
];

export const addConfig: AddCommand = (program, run) => {
  const config = program.command("config").description("the configuration and where each value came from");
  config
    .command("show")
    .description("every key with its value")
    .option("--config <file>", "configuration file (MUARA_CONFIG; default muara.config.ts)")
    .action(
      run(async (session, command) => {
        const { entries } = await resolve(session, command.opts<{ config?: string }>().config);
        const items = entries.map((entry) => ({
          key: entry.path.join("."),
          value: withoutPasswords(entry.value ?? null),
          origin: entry.origin,
          variable: entry.variable,
        }));
        printObjects(session.io.stdout, session.flags.output, SHOW, items);
      }),
    );
  config
    .command("check")
    .description("whether the configuration is valid")
    .option("--config <file>", "configuration file (MUARA_CONFIG; default muara.config.ts)")
    .action(
      run(async (session, command) => {
        const { file, entries } = await resolve(session, command.opts<{ config?: string }>().config);
        const changed = entries.filter((entry) => entry.origin !== "default").length;
        session.say(`valid: ${changed} of ${entries.length} keys set; file: ${file ?? "none"}`);
      }),
    );
  config
    .command("docs")
    .description("every key with default, environment variable and meaning")
    .action(
      run(async ({ io, flags }) => {
        const { resolveConfig } = await import("../../core/config.ts");
        const items = resolveConfig({ environment: {} }).entries.map((entry) => ({
          key: entry.path.join("."),
          default: entry.value ?? null,
          variable: entry.variable,
          description: entry.description,
        }));
        printObjects(io.stdout, flags.output, DOCS, items);
      }),
    );
};

/** Secrets are in files and variables, but addresses may have a password in them. */
function withoutPasswords(value: unknown): unknown {
  const text = JSON.stringify(value);
  const redacted = redactor([])(text);
  return redacted === text ? value : (JSON.parse(redacted) as unknown);
}

async function resolve(
  session: Session,
  named: string | undefined,
): Promise<{ file: string | undefined; entries: readonly ConfigEntry[] }> {
  const [{ resolveConfig }, { loadConfigFile }] = await Promise.all([
    import("../../core/config.ts"),
    import("./config-file.ts"),
  ]);
  const { environment } = session.io;
  const { file, config } = await loadConfigFile(named ?? environment["MUARA_CONFIG"], process.cwd());
  return { file, entries: resolveConfig({ file: config, environment }).entries };
}
