/** A service that stops at any moment of a start leaves no query process behind, and no folder. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import os from "node:os";
import process from "node:process";
import { expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import { configSchema } from "../../../core/config.ts";
import { MuaraError } from "../../../core/errors.ts";
import { createLogger, silentLogger } from "../../../core/logger.ts";
import { ProcessPool } from "../../../lake/query/process-pool.ts";
import type { Spawn } from "../../../lake/query/query-process.ts";

/** From before the folder is made until after the process is ready, ms. */
const MOMENTS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

async function ownFolders(): Promise<readonly string[]> {
  const names = await readdir(os.tmpdir());
  return names.filter((name) => name.startsWith("muara-query-") && name.includes(`-${process.pid}-`));
}

test.each(["off", "auto"] as const)("with namespaces %s", async (namespace) => {
  const before = await ownFolders();
  for (const moment of MOMENTS) {
    const children: ChildProcessWithoutNullStreams[] = [];
    const noted: Spawn = (command, args, { cwd, env }) => {
      const child = spawn(command, args, { cwd, env, stdio: "pipe" });
      children.push(child);
      return child;
    };
    // Nothing waits ready, so that whoever asks starts a process of his own.
    const options = { ...configSchema.parse({}).query, namespace, warm: 0 };
    const pool = new ProcessPool({ options, clock: systemClock, logger: silentLogger, spawn: noted });
    const taken = pool.take().then(
      () => "taken",
      (error: unknown) => (error instanceof MuaraError ? error.code : error),
    );
    await systemClock.sleep(moment);
    await pool.close();
    expect(["taken", "log.closed", "sql.failed"], `after ${moment} ms`).toContain(await taken);
    const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    expect(running.length, `after ${moment} ms`).toBe(0);
    expect(await ownFolders(), `after ${moment} ms`).toEqual(before);
  }
});

test("that processes do not start because the service stops is no warning", async () => {
  const lines: string[] = [];
  const logger = createLogger(
    (line) => lines.push(line),
    "info",
    () => 0,
  );
  const options = { ...configSchema.parse({}).query, warm: 2 };
  const pool = new ProcessPool({ options, clock: systemClock, logger });
  await pool.close();
  expect(lines.filter((line) => line.includes("did not start"))).toEqual([]);
});
