/** `muara init [FOLDER]`: a configuration, an event type and events to begin with. Asks nothing, overwrites nothing. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { systemRandomness } from "../../core/clock.ts";
import { wholeNumber, type AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

const FIELDS: readonly Field[] = [{ name: "file" }, { name: "what" }];
const TYPE_DEFAULT = "ORDER_PLACED";
const TYPE = /^[A-Za-z][A-Za-z0-9_.-]{0,100}$/;
const EVENTS = 3;

interface Options {
  readonly type: string;
  readonly port: string;
  readonly force?: boolean;
}

export const addInit: AddCommand = (program, run) => {
  program
    .command("init")
    .description("write a configuration, an event type and some events to begin with")
    .argument("[folder]", "default: the working folder")
    .option("--type <name>", "name of the event type", TYPE_DEFAULT)
    .option("--port <number>", "TCP port in the configuration", "8080")
    .option("--force", "write over files that are there")
    .action(
      run(async ({ io, flags, say }, command) => {
        const folder = command.args[0] ?? ".";
        const { type, port, force } = command.opts<Options>();
        if (!TYPE.test(type))
          throw new CliFailure(EXIT.usage, `--type: "${type}" is no name of an event type.`);
        const files = filesOf(folder, type, wholeNumber("--port", port, 0, 65_535), io.clock.nowMs());
        const there = files.find(({ file }) => existsSync(path.join(folder, file)));
        if (there && force !== true)
          throw new CliFailure(
            EXIT.conflict,
            `${path.join(folder, there.file)} is there already.`,
            "Write over it with --force.",
          );
        for (const { file, text } of files) {
          await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
          await writeFile(path.join(folder, file), text);
        }
        const rows = files.map(({ file, what }) => ({ file: path.join(folder, file), what }));
        printObjects(io.stdout, flags.output, FIELDS, rows);
        say(nextSteps(folder, type));
      }),
    );
};

function filesOf(
  folder: string,
  type: string,
  port: number,
  nowMs: number,
): readonly { readonly file: string; readonly what: string; readonly text: string }[] {
  return [
    { file: "muara.config.ts", what: "the configuration", text: configText(folder, port) },
    { file: `event-types/${type}.json`, what: "an event type", text: typeText(type) },
    { file: `events/${type}.ndjson`, what: `${EVENTS} events of it`, text: eventsText(nowMs) },
  ];
}

function configText(folder: string, port: number): string {
  const keys = `{
  port: ${port},
  data: ".muara",
  // Every key: muara config docs. What counts, and where it comes from: muara config show.
}`;
  const head = "/** Configuration of Muara. Environment variables and flags come before it. */\n";
  return isInstalled(path.resolve(folder))
    ? `${head}import { defineConfig } from "muara";\n\nexport default defineConfig(${keys});\n`
    : `${head}export default ${keys};\n`;
}

/** Whether a file there may import the package. */
function isInstalled(folder: string): boolean {
  if (existsSync(path.join(folder, "node_modules", "muara", "package.json"))) return true;
  return path.dirname(folder) !== folder && isInstalled(path.dirname(folder));
}

function typeText(name: string): string {
  const declared = {
    name,
    owning_application: "shop",
    category: "business",
    partition_strategy: "hash",
    partition_key_fields: ["order_number"],
    schema: {
      type: "json_schema",
      schema: {
        type: "object",
        properties: {
          order_number: { type: "string" },
          country: { type: "string" },
          total: { type: "number", description: "in the currency of the country" },
        },
        required: ["order_number", "total"],
      },
    },
  };
  return `${JSON.stringify(declared, null, 2)}\n`;
}

function eventsText(nowMs: number): string {
  const countries = ["DE", "FR", "IT"];
  return countries
    .map((country, i) => {
      const occurred = new Date(nowMs - (EVENTS - i) * 1_000).toISOString();
      const event = {
        metadata: { eid: systemRandomness.uuid(), occurred_at: occurred },
        order_number: `1000${i + 1}`,
        country,
        total: 19.9 + i * 10,
      };
      return `${JSON.stringify(event)}\n`;
    })
    .join("");
}

function nextSteps(folder: string, type: string): string {
  const steps = [
    ...(folder === "." ? [] : [`cd ${folder}`]),
    "muara dev",
    `muara event-type set event-types/${type}.json      (in another terminal)`,
    `muara send ${type} events/${type}.ndjson`,
    `muara sql "SELECT country, total FROM ${type}"`,
  ];
  return `next:\n${steps.map((step) => `  ${step}`).join("\n")}`;
}
