/** What `muara doctor` looks at, one thing after the other; each names the next command where something is wrong. */
import { access, constants, readdir, stat, statfs } from "node:fs/promises";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { systemClock } from "../../core/clock.ts";
import { configSchema } from "../../core/config.ts";
import { MuaraError } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";

const FREE_BYTES_MIN = 1_073_741_824;
const CLOCK_MS_MAX = 5_000;
const CONNECT_MS = 1_000;
const OTHERS = 0o077;

export interface Check extends Readonly<Record<string, unknown>> {
  readonly check: string;
  readonly state: "ok" | "warning" | "failed";
  readonly result: string;
  /** What to do. */
  readonly next?: string;
}

/** @param config path of a configuration file, where one is named */
export async function runChecks(session: Session, config: string | undefined): Promise<readonly Check[]> {
  const { data } = session.flags;
  return [
    await runtime(session),
    await engine(),
    await configuration(session, config),
    await folder(data),
    await permissions(data),
    await disk(data),
    await port(session),
    await service(session),
    await clock(session),
    await token(session),
  ];
}

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
    return { check, state: "failed", result: "@duckdb/node-api is missing", next: "npm install" };
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

async function configuration({ io }: Session, named: string | undefined): Promise<Check> {
  const check = "configuration";
  const [{ resolveConfig }, { loadConfigFile }] = await Promise.all([
    import("../../core/config.ts"),
    import("./config-file.ts"),
  ]);
  try {
    const asked = named ?? io.environment["MUARA_CONFIG"];
    const { file, config } = await loadConfigFile(asked, process.cwd());
    const { entries } = resolveConfig({ file: config, environment: io.environment });
    const changed = entries.filter((entry) => entry.origin !== "default").length;
    return { check, state: "ok", result: `valid, ${changed} keys set; file: ${file ?? "none"}` };
  } catch (error) {
    if (!(error instanceof MuaraError)) throw error;
    return { check, state: "failed", result: error.message, next: "muara config docs" };
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
      return { check, state: "warning", result: `${data} does not exist yet`, next: "muara dev creates it" };
    const next = `sudo chown -R ${os.userInfo().username} ${data}`;
    return { check, state: "failed", result: `${data} is not writable for this user`, next };
  }
}

/** Whoever reads the token is the administrator. */
async function permissions(data: string): Promise<Check> {
  const check = "permissions";
  const file = path.join(data, "token");
  try {
    const { mode } = await stat(file);
    const isOpen = process.platform !== "win32" && (mode & OTHERS) !== 0;
    if (isOpen)
      return {
        check,
        state: "failed",
        result: `${file} can be read by other users`,
        next: `chmod 600 ${file}`,
      };
    const entries = (await readdir(data)).length;
    return { check, state: "ok", result: `the token is for its owner only; ${entries} entries in ${data}` };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT") return { check, state: "ok", result: "there is no token here" };
    return { check, state: "warning", result: `${file} cannot be looked at: ${code ?? String(error)}` };
  }
}

async function disk(data: string): Promise<Check> {
  const check = "disk";
  const stats = await statfs(data).catch(() => statfs("."));
  const free = stats.bavail * stats.bsize;
  const result = `${gigabytes(free)} free`;
  if (free >= FREE_BYTES_MIN) return { check, state: "ok", result };
  return {
    check,
    state: "warning",
    result,
    next: "make room, or expire rows: muara table expire TABLE --dry-run",
  };
}

/** Whether something listens where Muara would. */
async function port({ client }: Session): Promise<Check> {
  const check = "port";
  const { hostname, port: given, protocol } = client.url;
  const number = Number(given) || (protocol === "https:" ? 443 : 80);
  const isTaken = await new Promise<boolean>((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: number, timeout: CONNECT_MS });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => done(true));
    socket.once("timeout", () => done(false));
    socket.once("error", () => done(false));
  });
  const result = `${hostname}:${number} ${isTaken ? "is in use" : "is free"}`;
  return { check, state: "ok", result };
}

async function service({ client }: Session): Promise<Check> {
  const check = "service";
  try {
    const response = await client.fetch("GET", "/health/ready", undefined, {}, [503]);
    const { status, checks } = (await client.json(response)) as {
      status?: string;
      checks?: Record<string, string>;
    };
    if (status === undefined || checks === undefined)
      return {
        check,
        state: "failed",
        result: `${client.url.origin} is not Muara`,
        next: "name another port: muara dev --port 8081",
      };
    const parts = Object.entries(checks).map(([name, state]) => `${name} ${state}`);
    const result = `${client.url.origin} is ${status} (${parts.join(", ")})`;
    if (status === "ready") return { check, state: "ok", result };
    return { check, state: "failed", result, next: "muara health --watch; the reason is in its log" };
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    const next =
      error.exitCode === EXIT.unreachable
        ? "muara dev, or name another with --url"
        : "name another port: muara dev --port 8081";
    const state = error.exitCode === EXIT.unreachable ? "warning" : "failed";
    return { check, state, result: error.message, next };
  }
}

/** Tokens expire and events are late by the server's clock. */
async function clock({ client, io }: Session): Promise<Check> {
  const check = "clock";
  try {
    const beforeMs = io.clock.nowMs();
    const response = await client.fetch("GET", "/health/live");
    const afterMs = io.clock.nowMs();
    await response.body?.cancel();
    const date = Date.parse(response.headers.get("date") ?? "");
    if (Number.isNaN(date)) return { check, state: "warning", result: "the server does not say its time" };
    // The header has whole seconds.
    const offMs = date > afterMs ? date - afterMs : Math.max(0, beforeMs - (date + 1_000));
    if (offMs <= CLOCK_MS_MAX) return { check, state: "ok", result: "as the server's" };
    const result = `${Math.round(offMs / 1_000)} s from the server's`;
    return { check, state: "failed", result, next: "timedatectl set-ntp true, on both machines" };
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    return {
      check,
      state: "ok",
      result: `${new Date(io.clock.nowMs()).toISOString()}; no server to compare`,
    };
  }
}

async function token({ client }: Session): Promise<Check> {
  const check = "token";
  if ((await client.token()) === undefined)
    return { check, state: "warning", result: "none", next: "give --token, MUARA_TOKEN or --data DIR" };
  try {
    await client.get("/v1/tables");
    return { check, state: "ok", result: "accepted" };
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    if (error.exitCode === EXIT.unreachable)
      return { check, state: "warning", result: "nobody to show it to" };
    const next = "muara token create (as administrator), then MUARA_TOKEN";
    return { check, state: "failed", result: error.message, next };
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1_073_741_824).toFixed(1)} GiB`;
}
