/** A real Prometheus for tests, Debian's, a process per test file, under the git-ignored `.services/`. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { debianBinary } from "./debian-binary.ts";
import { freePort } from "./free-port.ts";
import { eventually } from "./muara.ts";

const RUN = fileURLToPath(new URL("../../.services/run", import.meta.url));
const READY_MS_MAX = 60_000;

export interface Scraped {
  /** `host:port` */
  readonly target: string;
  readonly token: string;
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface PrometheusServer {
  readonly url: string;
  /** @throws what Prometheus says of a query that it does not take */
  query(expr: string): Promise<readonly Series[]>;
  /** Of its API, below /api/v1: the member `data`. */
  get(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** @param ruleFiles absolute */
export async function startPrometheus(
  scraped: readonly Scraped[],
  ruleFiles: readonly string[],
): Promise<PrometheusServer> {
  await mkdir(RUN, { recursive: true });
  const folder = await mkdtemp(join(RUN, "prometheus-"));
  const config = {
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: ruleFiles,
    scrape_configs: scraped.map(({ target, token }, i) => ({
      job_name: i === 0 ? "muara" : `muara-${i}`,
      authorization: { credentials: token },
      static_configs: [{ targets: [target] }],
    })),
  };
  await writeFile(join(folder, "prometheus.json"), JSON.stringify(config));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    debianBinary("prometheus", "prometheus"),
    [
      `--config.file=${join(folder, "prometheus.json")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      // Debian moves these into a package of their own.
      `--web.console.templates=${folder}`,
      `--web.console.libraries=${folder}`,
    ],
    { cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
  );
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors = `${errors}${chunk.toString()}`.slice(-8_000)));
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await eventually("Prometheus is ready", READY_MS_MAX, async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus has ended:\n${errors}`);
      return fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}/api/v1${path}`, { signal: AbortSignal.timeout(30_000) });
    const answer = (await response.json()) as { status: string; data: unknown; error?: string };
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  const query = async (expr: string): Promise<readonly Series[]> =>
    ((await get(`/query?query=${encodeURIComponent(expr)}`)) as { result: readonly Series[] }).result;
  return { url, query, get, stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}
