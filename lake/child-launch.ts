/** Command line of a child that runs a script of ours, by the runtime that this process has. */
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A command line. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The command is a wrapper that stays: the query process is its only child. */
  readonly isWrapped: boolean;
}

/** @param beside `import.meta.url` of a module in the script's folder. @param name of the script, without its ending */
export function childLaunch(beside: string, name: string, args: readonly (string | number)[]): Launch {
  return { command: process.execPath, args: scriptArgs(beside, name, args), env: {}, isWrapped: false };
}

/** What the runtime is told; published, the script is JavaScript. */
export function scriptArgs(
  beside: string,
  name: string,
  args: readonly (string | number)[],
): readonly string[] {
  const script = fileURLToPath(new URL(`${name}${beside.endsWith(".ts") ? ".ts" : ".js"}`, beside));
  const isDeno = "Deno" in globalThis;
  return [...(isDeno ? ["run", "--quiet", "--allow-all"] : []), script, ...args.map(String)];
}
