/** `muara doctor`: what is installed, what answers, and what to do about the rest. */
import { access, constants, statfs } from "node:fs/promises";
import os from "node:os";
import process from "node:process";
import { systemClock } from "../../core/clock.ts";
import { configSchema } from "../../core/config.ts";
import { silentLogger } from "../../core/logger.ts";
import type { AddCommand, Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

const FREE_BYTES_MIN = 1_073_741_824;
const FIELDS: readonly Field[] = [{ name: "check" }, { name: "state" }, { name: "result" }];

interface Check extends Readonly<Record<string, unknown>> {
  readonly check: string;
  readonly state: "ok" | "warning" | "failed";
  readonly result: string;
}

export const addDoctor: AddCommand = (program, run) => {
  program
    .command("doctor")
    .description("check versions, data folder and the running service")
    .action(
      run(async (session) => {
        const checks = [
          await runtime(session),
          await engine(),
          await folder(session.flags.data),
          await disk(session.flags.data),
          await service(session),
          await token(session),
        ];
        printObjects(session.io.stdout, session.flags.output, FIELDS, checks);
        return checks.some((check) => check.state === "failed") ? EXIT.checkFailed : EXIT.done;
      }),
    );
};

async function runtime({ services }: Session): Promise<Check> {
  const name = "Deno" in globalThis ? "Deno" : "Node";
  const machine = `${process.platform} ${process.arch}, ${os.availableParallelism()} CPUs`;
  const versions = `muara ${services.version}, ${name} ${process.versions.node}`;
  const result = `${versions}, ${machine}, ${gigabytes(os.totalmem())} memory`;
  return { check: "versions", state: "ok", result };
}

async function engine(): Promise<Check> {
  const { isEngineInstalled } = await import("../../lake/query/engine.ts");
  const check = "query engine";
  if (!isEngineInstalled())
    return { check, state: "failed", result: "@duckdb/node-api is missing; run npm install" };
  const isWalled = (await queryLayers()).includes("namespaces");
  return { check, state: "ok", result: `installed; queries ${isWalled ? "in" : "without"} namespaces` };
}

/** What this machine gives a query process, by starting one. */
async function queryLayers(): Promise<readonly string[]> {
  const { ProcessPool } = await import("../../lake/query/process-pool.ts");
  const options = { ...configSchema.parse({}).query, warm: 0 };
  const pool = new ProcessPool({ options, clock: systemClock, logger: silentLogger });
  try {
    return await pool.layers();
  } finally {
    await pool.close();
  }
}

async function folder(data: string): Promise<Check> {
  const check = "data folder";
  try {
    await access(data, constants.R_OK | constants.W_OK);
    return { check, state: "ok", result: `${data} is readable and writable` };
  } catch (error) {
    const isMissing = (error as { code?: string }).code === "ENOENT";
    if (isMissing)
      return { check, state: "warning", result: `${data} does not exist yet; muara dev creates it` };
    return { check, state: "failed", result: `${data} is not writable for this user` };
  }
}

async function disk(data: string): Promise<Check> {
  const check = "disk";
  const stats = await statfs(data).catch(() => statfs("."));
  const free = stats.bavail * stats.bsize;
  const state = free < FREE_BYTES_MIN ? "warning" : "ok";
  return { check, state, result: `${gigabytes(free)} free` };
}

async function service({ client }: Session): Promise<Check> {
  const check = "service";
  try {
    const response = await client.fetch("GET", "/health/ready", undefined, {}, [503]);
    const { status, checks } = (await response.json()) as { status: string; checks: Record<string, string> };
    const parts = Object.entries(checks).map(([name, state]) => `${name} ${state}`);
    const result = `${client.url.origin} is ${status} (${parts.join(", ")})`;
    return { check, state: status === "ready" ? "ok" : "failed", result };
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    return { check, state: "warning", result: error.message };
  }
}

async function token({ client }: Session): Promise<Check> {
  const check = "token";
  if ((await client.token()) === undefined)
    return { check, state: "warning", result: "none; give --token, MUARA_TOKEN or --data DIR" };
  try {
    await client.get("/v1/tables");
    return { check, state: "ok", result: "accepted" };
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    const state = error.exitCode === EXIT.unreachable ? "warning" : "failed";
    return { check, state, result: error.message };
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1_073_741_824).toFixed(1)} GiB`;
}
