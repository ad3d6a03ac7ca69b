/** The command tree. Each command is one file and loads what it needs only when it runs. */
import { Command, Option } from "commander";
import { addAlert } from "./alert.ts";
import { addAudit } from "./audit.ts";
import { addBackup } from "./backup.ts";
import { addBooks } from "./books.ts";
import { addCapture } from "./capture.ts";
import { FORMATS, openSession, type AddCommand, type RunAction } from "./command.ts";
import { addConfig } from "./config.ts";
import { addDeadLetters } from "./dead-letters.ts";
import { addDeliver } from "./deliver.ts";
import { addJob } from "./job.ts";
import { addCase } from "./case.ts";
import { addProcess } from "./process.ts";
import { addDemo } from "./demo.ts";
import { addDoctor } from "./doctor.ts";
import { addDuplicates } from "./duplicates.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { addErase } from "./erase.ts";
import { addEventType } from "./event-type.ts";
import { addExtract } from "./extract.ts";
import { addRule } from "./rule.ts";
import { addRole } from "./role.ts";
import { addSend } from "./send.ts";
import type { CliServices } from "./services.ts";
import { addShare } from "./share.ts";
import { addSql, BINARY } from "./sql.ts";
import { addStart } from "./start.ts";
import { addTable } from "./table.ts";
import { addTail } from "./tail.ts";
import { addToken } from "./token.ts";
import { addTrace } from "./trace.ts";

const COMMANDS: readonly AddCommand[] = [
  addDemo,
  addStart,
  addSend,
  addTail,
  addTrace,
  addSql,
  addEventType,
  addTable,
  addErase,
  addBooks,
  addDeadLetters,
  addDuplicates,
  addExtract,
  addShare,
  addCapture,
  addDeliver,
  addJob,
  addProcess,
  addCase,
  addRule,
  addAlert,
  addToken,
  addRole,
  addAudit,
  addBackup,
  addConfig,
  addDoctor,
];

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
    .option("-q, --quiet", "no talk on stderr")
    .option("-v, --verbose", "more talk on stderr")
    .option("--no-color", "no colours (NO_COLOR)")
    .helpCommand(true)
    .showHelpAfterError("(see muara --help)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => services.io.stdout.write(text),
      writeErr: (text) => services.io.stderr.write(text),
    })
    .addHelpText("before", 'Examples:\n  muara demo\n  muara sql "SELECT * FROM books LIMIT 5"\n');
  const run: RunAction = (action) => {
    return async (...args) => {
      const command = args.at(-1) as Command;
      const session = openSession(services, command);
      const { output } = session.flags;
      if (BINARY.includes(output) && command.name() !== "sql")
        throw new CliFailure(EXIT.usage, `-o ${output} is only for \`muara sql\`.`);
      exit((await action(session, command)) ?? EXIT.done);
    };
  };
  for (const add of COMMANDS) add(program, run);
  for (const command of allCommands(program)) command.exitOverride();
  return program;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
