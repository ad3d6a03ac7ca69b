/** `muara dev` and `muara start [workers…]`: run Muara in this process. */
import { type Command, Option } from "commander";
import { wholeNumber, type AddCommand, type RunAction } from "./command.ts";

export const addStart: AddCommand = (program, run) => {
  add(program, run, "dev", "run everything in this process, for one machine; creates a token at first start");
  add(program, run, "start", "run the named workers (all of them unless named)");
};

function add(program: Command, run: RunAction, mode: "dev" | "start", description: string): void {
  program
    .command(mode)
    .description(description)
    .argument("[workers...]", "ingest, pull, land, deliver, extract, api")
    .option("--port <number>", "TCP port (MUARA_PORT; default 8080)")
    .option("--host <address>", "address to listen on (MUARA_HOST; default 127.0.0.1)")
    .option("--log <address>", "the log: file:FOLDER, s3://… or kafka://… (MUARA_LOG; default file:DATA/log)")
    .option("--lake <address>", "the lake: file:FOLDER or s3://… (MUARA_LAKE; default file:DATA/lake)")
    .addOption(
      new Option("--log-format <format>", "of lines on stderr (MUARA_LOG_FORMAT)").choices(["json", "text"]),
    )
    .option("--config <file>", "configuration file (MUARA_CONFIG; default muara.config.ts)")
    .action(
      run(async ({ services, flags }, command) => {
        const options = command.optsWithGlobals<Record<string, string | undefined>>();
        return await services.start({
          workers: command.args,
          mode,
          data: options["data"],
          host: options["host"],
          log: options["log"],
          lake: options["lake"],
          logFormat: options["logFormat"],
          port: options["port"] === undefined ? undefined : wholeNumber("--port", options["port"], 0, 65_535),
          config: options["config"] ?? services.io.environment["MUARA_CONFIG"],
          isVerbose: flags.isVerbose,
          signal: services.io.signal,
        });
      }),
    );
}
