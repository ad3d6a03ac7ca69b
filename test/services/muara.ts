/** A real Muara process for end-to-end tests: started as a user starts it, killed as a machine dies. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_DEADLINE_MS = 600_000; // a start takes half a second, but proofs run beside everything else

export interface MuaraProcess {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** ms from spawn until it answered as ready. */
  readonly readyMs: number;
  /** Everything it wrote to stderr so far. */
  readonly log: () => string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  sql(query: string): Promise<unknown[][]>;
  /** SIGKILL: nothing is flushed. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Resolves with the exit code when it has ended, however it ends; null after a signal. */
  ended(): Promise<number | null>;
}

export async function temporaryFolder(name: string): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `muara-${name}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/**
 * Starts `muara start` on a free port over `data`, and waits until it is ready.
 * @param prefix a command that becomes the one after it, under the same process id (`nsenter …`, `strace -D …`)
 * @param workers what it does; all unless named
 */
export function startMuara(
  data: string,
  environment: Record<string, string> = {},
  prefix: readonly string[] = [],
  workers: readonly string[] = [],
): Promise<MuaraProcess> {
  return spawnMuara(data, environment, prefix, workers).ready;
}

/** Without what speaks to the tests: to the program it would be a configuration key that does not exist. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const { MUARA_LONG: _long, MUARA_SEED: _seed, MUARA_TEST_SEED: _testSeed, ...rest } = process.env;
  const { MUARA_TEST_S3: _s3, ...own } = rest;
  return own;
}

/** A process that may be killed before it is ready; then `ready` rejects. */
export function spawnMuara(
  data: string,
  environment: Record<string, string> = {},
  prefix: readonly string[] = [],
  workers: readonly string[] = [],
): { readonly child: ChildProcess; readonly ready: Promise<MuaraProcess> } {
  const startedMs = performance.now();
  const command = [
    process.execPath,
    join(ROOT, "muara.js"),
    "start",
    ...workers,
    "--data",
    data,
    "--port",
    "0",
  ];
  const [program, ...args] = [...prefix, ...command];
  const child = spawn(program!, args, {
    cwd: ROOT,
    env: { ...ownEnvironment(), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { child, ready: whenReady(child, data, startedMs) };
}

async function whenReady(child: ChildProcess, data: string, startedMs: number): Promise<MuaraProcess> {
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  child.stdout?.resume();
  const url = await addressOf(child, () => errors);
  // Its folder may be on a disk that only it sees.
  const root = child.spawnargs[0] === process.execPath ? "" : `/proc/${child.pid!}/root`;
  const token = (await readFile(join(root, data, "token"), "utf8")).trim();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const request = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(url + path, { ...init, headers: { ...headers, ...(init.headers as Record<string, string>) } });
  return {
    url,
    token,
    pid: child.pid!,
    readyMs: performance.now() - startedMs,
    log: () => errors,
    fetch: request,
    sql: async (query) => {
      const response = await request("/v1/sql", {
        method: "POST",
        body: JSON.stringify({ sql: query, limit: 100_000 }),
      });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`SQL answered ${response.status}: ${text}\n${query}`);
      return (JSON.parse(text) as { rows: unknown[][] }).rows;
    },
    kill: async () => {
      child.kill("SIGKILL");
      await exitOf(child);
    },
    stop: () => {
      child.kill("SIGTERM");
      return exitOf(child);
    },
    ended: () => exitOf(child),
  };
}

function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once("exit", (code) => resolve(code)));
}

/** The address that the process prints once it is ready. */
function addressOf(child: ChildProcess, errors: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail("was not ready in time"), READY_DEADLINE_MS);
    const poll = setInterval(() => {
      const match = /(?:ready on |"message":"ready".*?"url":")(http:\/\/[0-9.:]+)/.exec(errors());
      if (!match) return;
      finish();
      resolve(match[1]!);
    }, 5);
    const finish = (): void => {
      clearTimeout(timer);
      clearInterval(poll);
      child.off("exit", onExit);
    };
    const fail = (why: string): void => {
      finish();
      child.kill("SIGKILL");
      reject(new Error(`muara ${why}:\n${errors()}`));
    };
    const onExit = (code: number | null): void => fail(`ended with ${code}`);
    child.once("exit", onExit);
  });
}

/** Polls until `check` is true. */
export async function eventually(
  what: string,
  deadlineMs: number,
  check: () => Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await check())) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
