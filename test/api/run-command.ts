/** The command line within the test's own process, against a stack. */
import { main } from "../../api/cli/main.ts";
import { systemClock } from "../../core/clock.ts";

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
