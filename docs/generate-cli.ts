/**
 * Writes docs/CLI.md from the command tree: `npx node docs/generate-cli.ts`. A test compares the two, so the page
 * cannot fall behind.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { describeCommand, leavesOf, type DescribedCommand } from "../api/cli/command-tree.ts";
import { buildProgram } from "../api/cli/program.ts";
import { systemClock } from "../core/clock.ts";

const INTRODUCTION = `# The command line

Written by \`docs/generate-cli.ts\` from \`api/cli\`; do not edit. \`muara help --json\` prints the same as data.

Data goes to stdout, talk to stderr. \`-o json\` prints a list (\`[]\` where there is nothing), \`-o jsonl\` one
object a line and at once, \`-o csv\` has a header; the format never depends on where the output goes. Tables have
relative times where they are about now (\`--wide\` adds the absolute ones and whole cells); on a narrow terminal
long cells are cut first, ids and times never. An error says what, why,
the next command, its code and the request id under which the server's log has it.

What removes something for good asks at a terminal and needs \`--yes\` elsewhere; \`--no-input\` never asks. Colours
are for terminals, and end with \`--no-color\`, \`NO_COLOR\` or \`TERM=dumb\`; \`FORCE_COLOR\` has them in a pipe.
\`muara complete bash\` (\`zsh\`, \`fish\`, \`powershell\`) prints a completion script. It knows names of tables,
event types, jobs and the like where a server answers within 0.7 s.

| exit code | meaning |
|---|---|
| 0 | done; also where the reader of a pipe has seen enough |
| 1 | failed |
| 2 | the command line is wrong, or \`--yes\` is missing |
| 3 | not found |
| 4 | not allowed |
| 5 | a conflict |
| 6 | a check did not hold (\`verify\`, \`books --check\`, \`alert list --fail-on\`, \`extract reconcile\`, …) |
| 7 | unreachable, overloaded or timed out: trying again is sensible |
| 75 | the disk refused durability; a supervisor may start it again |
| 130 | interrupted |

`;

/** The whole page. */
export function cliPage(): string {
  const tree = describeCommand(buildProgram(nobody(), () => {}));
  const leaves = leavesOf(tree);
  const list = leaves.map(({ path, description }) => {
    return `| [\`muara ${path}\`](#${anchor(path)}) | ${cell(description)} |\n`;
  });
  return [
    INTRODUCTION,
    `## Options of all commands\n\n${optionsOf(tree)}\n`,
    `## Commands\n\n| command | what it does |\n|---|---|\n${list.join("")}\n`,
    leaves.map(section).join("\n"),
  ].join("");
}

function section(command: DescribedCommand): string {
  const aliases = command.aliases.map((alias) => `\`${[...command.path.split(" ").slice(0, -1), alias].join(" ")}\``);
  const named = command.arguments.filter(({ description }) => description !== "");
  const parts = [
    `### \`muara ${command.path}\`\n`,
    `${sentence(command.description)}${aliases.length > 0 ? ` Also ${aliases.join(", ")}.` : ""}` +
      `${command.destroys === null ? "" : ` It ${command.destroys}: asks, or needs \`--yes\`.`}\n`,
    `\`\`\`sh\n${command.usage}\n\n${command.examples.join("\n")}\n\`\`\`\n`,
    ...named.map(({ name, description }) => `- \`${name}\`: ${description}\n`),
    ...(named.length > 0 ? ["\n"] : []),
    ...(command.options.length > 0 ? [optionsOf(command)] : []),
  ];
  return parts.join("");
}

function optionsOf({ options }: DescribedCommand): string {
  const rows = options.map((option) => {
    const shown = option.default === null || option.default === "" ? "" : `\`${String(option.default)}\``;
    const choices = option.choices.length > 0 ? ` (${option.choices.join(", ")})` : "";
    const must = option.required ? "; required" : "";
    return `| \`${option.flags.replaceAll("|", "\\|")}\` | ${shown} | ${cell(option.description)}${choices}${must} |\n`;
  });
  return `| option | default | what it is |\n|---|---|---|\n${rows.join("")}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function cell(text: string): string {
  const escaped = text.replaceAll("|", "\\|").replaceAll("<", "\\<");
  return escaped.replaceAll(/`[^`]*`/g, (code) => code.replaceAll("\\<", "<"));
}

function anchor(path: string): string {
  return `muara ${path}`.replaceAll(" ", "-");
}

/** Nothing runs while the tree is looked at. */
const nothing = (): Promise<never> => Promise.reject(new Error("nothing runs"));

function nobody(): Parameters<typeof buildProgram>[0] {
  return {
    version: "",
    start: async () => 0,
    demo: async () => 0,
    openStore: nothing,
    openClosedLog: nothing,
    io: {
      stdout: process.stdout,
      stderr: process.stderr,
      stdin: process.stdin,
      environment: {},
      fetch: globalThis.fetch,
      clock: systemClock,
      signal: new AbortController().signal,
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("CLI.md", import.meta.url), cliPage());
