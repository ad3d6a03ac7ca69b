/** The command tree. Each command is one file and loads what it needs only when it runs. */
import { Command, Option } from "commander";
import { addAlert } from "./alert.ts";
import { addAudit } from "./audit.ts";
import { addBackup } from "./backup.ts";
import { addBooks } from "./books.ts";
import { addCapture } from "./capture.ts";
import { addCase } from "./case.ts";
import { pathOf } from "./command-tree.ts";
import { FORMATS, openSession, type AddCommand, type RunAction } from "./command.ts";
import { addComplete } from "./complete.ts";
import { addConfig } from "./config.ts";
import { confirm, DESTRUCTIVE } from "./confirm.ts";
import { addDeadLetters } from "./dead-letters.ts";
import { addDeliver } from "./deliver.ts";
import { addDemo } from "./demo.ts";
import { addDoctor } from "./doctor.ts";
import { addDuplicates } from "./duplicates.ts";
import { addErase } from "./erase.ts";
import { addEventType } from "./event-type.ts";
import { EXAMPLES } from "./examples.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { addExtract } from "./extract.ts";
import { addHealth } from "./health.ts";
import { addHelp } from "./help.ts";
import { addInit } from "./init.ts";
import { addJob } from "./job.ts";
import { addProcess } from "./process.ts";
import { addRole } from "./role.ts";
import { addRule } from "./rule.ts";
import { addSend } from "./send.ts";
import type { CliServices } from "./services.ts";
import { addShare } from "./share.ts";
import { addSql, BINARY } from "./sql.ts";
import { addStart } from "./start.ts";
import { addTable } from "./table.ts";
import { addTail } from "./tail.ts";
import { addToken } from "./token.ts";
import { addTrace } from "./trace.ts";
import { addVerify } from "./verify.ts";

/** As help shows them. */
const GROUPS: Readonly<Record<string, readonly AddCommand[]>> = {
  "Run:": [addInit, addDemo, addStart, addHealth, addDoctor],
  "Send and look:": [addSend, addTail, addTrace, addSql],
  "The lake:": [addEventType, addTable, addVerify, addBooks, addErase],
  "Bad data:": [addDeadLetters, addDuplicates],
  "Streams and business:": [addJob, addProcess, addCase, addRule, addAlert],
  "In and out:": [addCapture, addDeliver, addExtract, addShare],
  "House:": [addToken, addRole, addAudit, addBackup, addConfig, addComplete, addHelp],
};

/** @param exit takes the exit code of the command that ran */
export function buildProgram(services: CliServices, exit: (code: number) => void): Command {
  const program = new Command("muara")
    .description("Event streams in, an open lake out.")
    .version(services.version, "-V, --version", "print the version")
    .addOption(
      new Option("-o, --output <format>", "form of the data on stdout")
        .choices([...FORMATS])
        .default("table"),
    )
    .option("--url <address>", "a running Muara (MUARA_URL; default http://127.0.0.1:8080)")
    .option("--token <token>", "bearer token (MUARA_TOKEN; default DIR/token on this machine)")
    .option("--data <dir>", "data folder (MUARA_DATA; default .muara)")
    .option("--wide", "in tables: absolute times beside relative ones, and whole cells")
    .option("-q, --quiet", "no talk on stderr")
    .option("-v, --verbose", "more talk on stderr")
    .option("--no-input", "never ask; what would be asked needs --yes")
    .option("--no-color", "no colours (NO_COLOR, TERM=dumb; FORCE_COLOR for the contrary)")
    .helpCommand(false)
    .showHelpAfterError("(see muara --help)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => services.io.stdout.write(text),
      writeErr: (text) => services.io.stderr.write(text),
    });
  const run: RunAction = (action) => {
    return async (...args) => {
      const command = args.at(-1) as Command;
      const session = openSession(services, command);
      const { output } = session.flags;
      if (BINARY.includes(output) && command.name() !== "sql")
        throw new CliFailure(EXIT.usage, `-o ${output} is only for \`muara sql\`.`);
      await confirm(session, command, pathOf(command));
      exit((await action(session, command)) ?? EXIT.done);
    };
  };
  for (const [heading, adders] of Object.entries(GROUPS)) {
    program.commandsGroup(heading);
    for (const add of adders) add(program, run);
  }
  for (const command of allCommands(program)) finish(command);
  return program;
}

/** What all commands have: examples before the options, and `--yes` where something goes for good. */
function finish(command: Command): void {
  const path = pathOf(command);
  command.exitOverride();
  const examples = EXAMPLES[path];
  if (examples)
    command.addHelpText("before", `Examples:\n${examples.map((line) => `  muara ${line}\n`).join("")}`);
  if (path !== "")
    command.addHelpText(
      "after",
      "\nOptions of all commands (-o, --url, --token, --data, -q …): muara --help",
    );
  if (path in DESTRUCTIVE) command.option("-y, --yes", "do not ask; needed where nobody can be asked");
}

/** The command and all below it, in the order of help. */
function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
