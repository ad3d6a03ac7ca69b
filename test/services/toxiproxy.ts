/**
 * A network that fails on demand: Toxiproxy, a real TCP proxy in front of a real server, a process per test file.
 * `npm run setup` builds it under the git-ignored `.services/`.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.ts";

const MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0";
const FOLDER = fileURLToPath(new URL("../../.services/toxiproxy-2.12.0", import.meta.url));
const BINARY = join(FOLDER, "server");
const READY_MS_MAX = 60_000;
const LOOK_MS = 20;

/** What Toxiproxy calls them: `reset_peer`, `timeout`, `latency`, `limit_data`, `bandwidth`. */
export interface Toxic {
  readonly type: "reset_peer" | "timeout" | "latency" | "limit_data" | "bandwidth" | "slow_close";
  /** Requests go upstream, answers downstream. */
  readonly stream: "upstream" | "downstream";
  readonly attributes: Readonly<Record<string, number>>;
  /** Share of connections that it falls upon. */
  readonly toxicity?: number;
}

export interface FailingNetwork {
  /** Where the server answers through the proxy. */
  readonly url: string;
  /** From now on, for new connections as for those that are open. */
  add(toxic: Toxic): Promise<void>;
  /** The server behind it has moved to another address. */
  redirect(upstream: string): Promise<void>;
  /** Everything works again. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

export function hasToxiproxy(): boolean {
  return existsSync(BINARY);
}

/** @throws where Go is missing or cannot fetch modules */
export function installToxiproxy(): void {
  const environment = { ...process.env, GOBIN: FOLDER, GOFLAGS: "-buildvcs=false" };
  const { status } = spawnSync("go", ["install", MODULE], { stdio: "inherit", env: environment });
  if (status !== 0) throw new Error(`go install ${MODULE} failed`);
}

/** @param upstream address of the server behind it */
export async function startFailingNetwork(upstream: string): Promise<FailingNetwork> {
  if (!hasToxiproxy()) throw new Error(`${BINARY} is missing: run "npm run setup"`);
  const [control, port] = [await freePort(), await freePort()];
  const api = `http://127.0.0.1:${control}`;
  const child = spawn(BINARY, ["-host", "127.0.0.1", "-port", String(control)], { stdio: "ignore" });
  await ready(api, child);
  const call = async (method: string, path: string, body?: unknown): Promise<void> => {
    const response = await fetch(`${api}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`Toxiproxy refuses ${path}: ${text}`);
  };
  await call("POST", "/proxies", {
    name: "s3",
    listen: `127.0.0.1:${port}`,
    upstream: new URL(upstream).host,
    enabled: true,
  });
  return {
    url: `http://127.0.0.1:${port}`,
    add: (toxic) => call("POST", "/proxies/s3/toxics", { toxicity: 1, ...toxic }),
    redirect: (moved) => call("POST", "/proxies/s3", { upstream: new URL(moved).host, enabled: true }),
    heal: () => call("POST", "/reset"),
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function ready(api: string, child: ChildProcess): Promise<void> {
  const endMs = performance.now() + READY_MS_MAX;
  while (child.exitCode === null && performance.now() < endMs) {
    const response = await fetch(`${api}/version`).catch(() => undefined);
    await response?.arrayBuffer();
    if (response) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  child.kill("SIGKILL");
  throw new Error("Toxiproxy does not answer");
}
