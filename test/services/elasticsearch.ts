/**
 * An Elasticsearch server for tests: one real node, a process per test file, under the git-ignored `.services/`. Its
 * distribution for integration tests comes from Maven (`npm run setup`): the whole engine, without plugins (no scripts,
 * no `_delete_by_query`, no Kibana). Version 9 where there is a Java that it runs on, else 8, which runs on Java 17;
 * or the server that `MUARA_TEST_ELASTICSEARCH` names.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { chown, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.ts";

const SERVICES = fileURLToPath(new URL("../../.services", import.meta.url));
const GROUP = "org.elasticsearch.distribution.integ-test-zip";
const JVM_FOLDERS = ["/usr/lib/jvm", join(homedir(), ".jdks")];
const READY_MS_MAX = 180_000;
const LOOK_MS = 200;
/** Elasticsearch refuses to run as root: nobody's. */
const USER_ID = 65_534;

interface Edition {
  readonly version: string;
  readonly javaLeast: number;
}

const EDITIONS: readonly Edition[] = [
  { version: "9.5.3", javaLeast: 21 },
  { version: "8.19.9", javaLeast: 17 },
];

export interface ElasticsearchServer {
  readonly url: string;
  readonly version: string;
  /** What it answers, as JSON. @throws where that is no success, unless `or` names the status */
  ask(method: string, path: string, body?: unknown, or?: number): Promise<unknown>;
  /** Like a power cut. */
  kill(): Promise<void>;
  /** On what it has on disk, on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export function hasElasticsearch(): boolean {
  if (process.env["MUARA_TEST_ELASTICSEARCH"] !== undefined) return true;
  const found = edition();
  return found !== undefined && existsSync(join(folderOf(found.version), "bin", "elasticsearch"));
}

/** Fetches it: half a minute, 130 MB, once per machine. @throws where Maven or Java are missing */
export function installElasticsearch(): void {
  const found = edition();
  if (!found) throw new Error("no Java 17 or newer in JAVA_HOME, /usr/lib/jvm or the path");
  const { version } = found;
  if (version !== EDITIONS[0]!.version)
    console.log(`no Java ${EDITIONS[0]!.javaLeast} or newer: Elasticsearch ${version} stands for 9`);
  const partial = `${folderOf(version)}.partial`;
  for (const folder of [folderOf(version), partial]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const artifact = `-Dartifact=${GROUP}:elasticsearch:${version}:zip`;
  // Maven leaves notes of its own where it runs.
  const { status } = spawnSync(
    "mvn",
    ["-B", "-q", "dependency:unpack", artifact, `-DoutputDirectory=${partial}`],
    { stdio: "inherit", cwd: partial },
  );
  if (status !== 0) throw new Error(`mvn dependency:unpack of Elasticsearch ${version} failed`);
  renameSync(join(partial, `elasticsearch-${version}`), folderOf(version));
  rmSync(partial, { recursive: true, force: true });
}

/** Starts it on a free port: some ten seconds. Stop it in `afterAll`. */
export async function startElasticsearch(): Promise<ElasticsearchServer> {
  const named = process.env["MUARA_TEST_ELASTICSEARCH"];
  if (named !== undefined) return namedServer(named);
  const found = edition();
  if (!found || !hasElasticsearch()) throw new Error('Elasticsearch is missing: run "npm run setup"');
  const home = folderOf(found.version);
  await mkdir(join(SERVICES, "run"), { recursive: true });
  const folder = await mkdtemp(join(SERVICES, "run", "elasticsearch-"));
  const config = join(folder, "config");
  await cp(join(home, "config"), config, { recursive: true });
  const port = await freePort();
  await writeFile(join(config, "elasticsearch.yml"), settings(folder, port, await freePort()));
  await writeFile(join(config, "jvm.options.d", "size.options"), "-Xms512m\n-Xmx512m\n");
  const node = new Node(home, folder, found.java, port);
  await own(folder);
  await node.start();
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    version: found.version,
    ask: (...question) => ask(url, ...question),
    kill: () => node.end(),
    restart: () => node.start(),
    stop: async () => {
      await node.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

class Node {
  readonly #home: string;
  readonly #folder: string;
  readonly #java: string;
  readonly #port: number;
  #child: ChildProcess | undefined;

  constructor(home: string, folder: string, java: string, port: number) {
    this.#home = home;
    this.#folder = folder;
    this.#java = java;
    this.#port = port;
  }

  async start(): Promise<void> {
    const program = join(this.#home, "bin", "elasticsearch");
    const ids = [`--reuid=${USER_ID}`, `--regid=${USER_ID}`, "--clear-groups"];
    const [command, args] = isRoot() ? ["setpriv", [...ids, program]] : [program, []];
    const output = openSync(join(this.#folder, "output"), "a");
    const child = spawn(command, args, {
      detached: true, // its launcher has a child of its own: all of them end together
      stdio: ["ignore", output, output],
      env: {
        PATH: process.env["PATH"],
        ES_JAVA_HOME: this.#java,
        ES_PATH_CONF: join(this.#folder, "config"),
        ES_TMPDIR: join(this.#folder, "tmp"),
      },
    });
    closeSync(output);
    this.#child = child;
    await writeFile(join(this.#folder, "pid"), String(child.pid));
    const endMs = performance.now() + READY_MS_MAX;
    const url = `http://127.0.0.1:${this.#port}/_cluster/health?wait_for_status=yellow&timeout=1s`;
    while (child.exitCode === null && child.signalCode === null && performance.now() < endMs) {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      await response?.arrayBuffer();
      if (response?.status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    await this.end();
    const told = readFileSync(join(this.#folder, "output"), "utf8");
    throw new Error(`Elasticsearch does not answer:\n${told.slice(-4_000)}`);
  }

  async end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    process.kill(-child.pid!, "SIGKILL");
    await ended;
  }
}

function settings(folder: string, port: number, transportPort: number): string {
  return [
    "network.host: 127.0.0.1",
    `http.port: ${port}`,
    `transport.port: ${transportPort}`,
    "discovery.type: single-node",
    "xpack.security.enabled: false",
    "cluster.routing.allocation.disk.threshold_enabled: false",
    "action.destructive_requires_name: false",
    `path.data: ${join(folder, "data")}`,
    `path.logs: ${join(folder, "logs")}`,
    "",
  ].join("\n");
}

async function own(folder: string): Promise<void> {
  for (const name of ["data", "logs", "tmp"]) await mkdir(join(folder, name));
  if (!isRoot()) return;
  const all = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const path of ["", ...all]) await chown(join(folder, path), USER_ID, USER_ID);
}

async function namedServer(url: string): Promise<ElasticsearchServer> {
  const nodes = (await ask(url, "GET", "/_nodes?filter_path=nodes.*.version")) as {
    nodes: Record<string, { version: string }>;
  };
  const { version } = Object.values(nodes.nodes)[0]!;
  return {
    url,
    version,
    ask: (...question) => ask(url, ...question),
    kill: refuse,
    restart: refuse,
    stop: async () => {},
  };
}

async function refuse(): Promise<never> {
  throw new Error("MUARA_TEST_ELASTICSEARCH names a server that is not ours to kill");
}

async function ask(url: string, method: string, path: string, body?: unknown, or?: number): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok && response.status !== or)
    throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
  return text === "" ? undefined : JSON.parse(text);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function folderOf(version: string): string {
  return join(SERVICES, `elasticsearch-${version}`);
}

/** The newest that some Java of this machine runs, with that Java's folder. */
function edition(): { readonly version: string; readonly java: string } | undefined {
  const javas = javaFolders();
  for (const { version, javaLeast } of EDITIONS) {
    const java = javas.find((one) => one.major >= javaLeast);
    if (java) return { version, java: java.folder };
  }
  return undefined;
}

function javaFolders(): { readonly folder: string; readonly major: number }[] {
  const named = ["ES_JAVA_HOME", "JAVA_HOME"].flatMap((name) => process.env[name] ?? []);
  const found = JVM_FOLDERS.flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [],
  );
  return [...named, ...found].flatMap((folder) => {
    const release = join(folder, "release");
    if (!existsSync(release) || !existsSync(join(folder, "bin", "java"))) return [];
    const major = Number(/^JAVA_VERSION="(\d+)/m.exec(readFileSync(release, "utf8"))?.[1] ?? 0);
    return [{ folder, major }];
  });
}
