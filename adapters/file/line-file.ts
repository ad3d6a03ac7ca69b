/** Lines at the end of a file, for programs that follow it. Nothing is synced: it is no log. */
import { appendFile, mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";

export function appendLines(file: string): (lines: readonly string[]) => Promise<void> {
  const path = resolve(file);
  return async (lines) => {
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
  };
}
