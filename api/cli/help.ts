/** `muara help [COMMAND…] [--json]`: the help of a command, or the whole tree for scripts. */
import type { Command } from "commander";
import { describeCommand } from "./command-tree.ts";
import type { AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";

export const addHelp: AddCommand = (program, run) => {
  program
    .command("help")
    .description("display help for a command")
    .argument("[command...]")
    .option("--json", "the command and all below it as one JSON object, for scripts")
    .action(
      run(async ({ io }, command) => {
        const found = find(program, command.args);
        if (command.opts<{ json?: boolean }>().json === true)
          io.stdout.write(`${JSON.stringify(describeCommand(found), null, 2)}\n`);
        else found.outputHelp();
      }),
    );
};

function find(program: Command, names: readonly string[]): Command {
  let at = program;
  for (const name of names) {
    const below = at.commands.find((one) => one.name() === name || one.aliases().includes(name));
    if (!below)
      throw new CliFailure(EXIT.notFound, `there is no command "${names.join(" ")}".`, "muara help");
    at = below;
  }
  return at;
}
