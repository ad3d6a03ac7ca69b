/** A rule as a file has it. */
import { readFile } from "node:fs/promises";
import { CliFailure, EXIT } from "./exit.ts";

/** @throws CliFailure where it is no JSON */
export async function readRule(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CliFailure(EXIT.usage, `${file} is no JSON: ${error.message}`, "docs/ALERTS.md");
  }
}
