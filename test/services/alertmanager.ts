/**
 * A real Alertmanager for tests, Debian's, a process per test file, under the git-ignored `.services/`: it tells a
 * webhook of the test at once, and keeps silences and what it has told in its folder, over restarts.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.ts";

/** Of the installed package: it reads templates from a place that is built in. */
const PROGRAM = "/usr/bin/prometheus-alertmanager";
const RUN = fileURLToPath(new URL("../../.services/run", import.meta.url));
const READY_MS_MAX = 60_000;
const LOOK_MS = 20;
const STARTS_MAX = 3;

export interface AlertmanagerServer {
  readonly url: string;
  /** Its API, `/api/v2` and what follows. @returns the answer's JSON; undefined for an empty one */
  call(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<unknown>;
  /** Stops it, as a service is stopped, or kills it, and starts it again over its folder. */
  restart(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  stop(): Promise<void>;
}

export function hasAlertmanager(): boolean {
  return existsSync(PROGRAM);
}

/** @param webhookUrl where it tells what fires and what is resolved */
export async function startAlertmanager(webhookUrl: string): Promise<AlertmanagerServer> {
  if (!hasAlertmanager()) throw new Error(`${PROGRAM} is missing: run "npm run setup"`);
  await mkdir(RUN, { recursive: true });
  const folder = await mkdtemp(join(RUN, "alertmanager-"));
  await writeFile(join(folder, "config.yml"), configOf(webhookUrl));
  let [port, child] = await startOnPort(folder);
  const server: AlertmanagerServer = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    call: async (method, path, body) => {
      const response = await fetch(`${server.url}${path}`, {
        method,
        signal: AbortSignal.timeout(10_000),
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`Alertmanager refuses ${path}: ${response.status} ${text}`);
      return text === "" ? undefined : JSON.parse(text);
    },
    restart: async (signal = "SIGTERM") => {
      await end(child, signal);
      [port, child] = await startOnPort(folder);
    },
    stop: async () => {
      await end(child, "SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
  return server;
}

/** Every alert is a group, told at once; its next state a second later; the same again after hours. */
function configOf(webhookUrl: string): string {
  return `route:
  receiver: test
  group_by: ["..."]
  group_wait: 50ms
  group_interval: 1s
  repeat_interval: 4h
receivers:
  - name: test
    webhook_configs:
      - url: ${JSON.stringify(webhookUrl)}
        send_resolved: true
`;
}

async function startOnPort(folder: string): Promise<[number, ChildProcess]> {
  for (let start = 1; ; start++) {
    const port = await freePort();
    const child = spawn(
      PROGRAM,
      [
        `--config.file=${join(folder, "config.yml")}`,
        `--storage.path=${join(folder, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--cluster.listen-address=",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let errors = "";
    child.stderr?.on("data", (chunk: Buffer) => (errors = `${errors}${chunk.toString()}`.slice(-4_000)));
    await writeFile(join(folder, "pid"), String(child.pid));
    if (await answers(`http://127.0.0.1:${port}/-/ready`, child)) return [port, child];
    if (start === STARTS_MAX) throw new Error(`Alertmanager does not answer:\n${errors}`);
  }
}

/** Waits for a real answer, for as long as the process lives. */
async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const endMs = performance.now() + READY_MS_MAX;
  while (child.exitCode === null && child.signalCode === null && performance.now() < endMs) {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.ok === true) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  child.kill("SIGKILL");
  return false;
}

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}
