/** The command line within the test's own process, against a stack. */
import { openClosedLog, openObjectStore } from "../../adapters/open.ts";
import { main } from "../../api/cli/main.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";

const services = {
  clock: systemClock,
  randomness: systemRandomness,
  logger: silentLogger,
  onFatal: (error: unknown): never => {
    throw error;
  },
};

export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** @param input what it reads from standard input */
export async function runCommand(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
  input = "",
): Promise<CommandResult> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(argv, {
    version: "1.2.3",
    start: async () => 0,
    demo: async () => 0,
    openStore: (address) => openObjectStore(address, services),
    openClosedLog: (folder) => openClosedLog(folder, services),
    io: {
      stdout: { write: (text) => out.push(Buffer.from(text).toString()) },
      stderr: { write: (text) => err.push(String(text)) },
      stdin: (async function* () {
        yield Buffer.from(input);
      })(),
      environment,
      fetch,
      clock: systemClock,
      signal: new AbortController().signal,
    },
  });
  return { code, out: out.join(""), err: err.join("") };
}
