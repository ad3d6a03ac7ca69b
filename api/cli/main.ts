/** Entry of the command line: parses, runs, turns every failure into a text and an exit code. */
import process from "node:process";
import { CommanderError } from "commander";
import { systemClock } from "../../core/clock.ts";
import { coloured, takesColour } from "./colour.ts";
import { describeFailure, EXIT } from "./exit.ts";
import { buildProgram } from "./program.ts";
import type { CliIo, CliServices } from "./services.ts";

export type { CliServices, DemoFlags, StartFlags } from "./services.ts";

/** What the composition root hands in; `io` is the process's own unless given. */
export type MainServices = Omit<CliServices, "io"> & { readonly io?: CliIo };

/** @param argv arguments after the program's name @returns the exit code */
export async function main(argv: readonly string[], given: MainServices): Promise<number> {
  const io = given.io ?? processIo();
  let exitCode: number = EXIT.done;
  const program = buildProgram({ ...given, io }, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return isBrokenPipe(io.signal.reason) ? EXIT.done : exitCode;
  } catch (error) {
    if (isBrokenPipe(error) || isBrokenPipe(io.signal.reason)) return EXIT.done; // `muara … | head` has seen enough
    if (io.signal.aborted) return EXIT.interrupted;
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const { text, exitCode: failed } = describeFailure(error);
    const hasColours = takesColour(io.stderr, io.environment, argv.includes("--no-color"));
    io.stderr.write(hasColours ? text.replace(/^muara:/, coloured("red", "muara:")) : text);
    return failed;
  }
}

function isBrokenPipe(error: unknown): boolean {
  return (error as { code?: string } | null)?.code === "EPIPE";
}

function processIo(): CliIo {
  const interrupted = new AbortController();
  // The first asks for an orderly end; a second one finds no handler and ends the process.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => interrupted.abort());
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") interrupted.abort(error);
  });
  // Talk that nobody reads is no reason to end.
  process.stderr.on("error", () => {});
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    environment: process.env,
    fetch: globalThis.fetch,
    clock: systemClock,
    signal: interrupted.signal,
  };
}
