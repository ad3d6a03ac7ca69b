/**
 * Java programs of tests, over jars from Maven Central: `npm run setup` fetches them into the git-ignored `.services/`
 * by the `pom.xml` beside the program; a test compiles the program, which takes a second, and needs no network.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Zalando's own client of Nakadi; the version is that of the pom. */
const FOLDER = fileURLToPath(new URL("../../.services/fahrschein-0.24.0", import.meta.url));
const SOURCES = fileURLToPath(new URL("../e2e/fahrschein", import.meta.url));
const PROGRAM = "FahrscheinClient";
const COMPILE_MS_MAX = 120_000;
const JVM = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/** With its compiler: a runtime alone runs Kafka and Spark, and no tests of ours. */
export function hasJavac(): boolean {
  return spawnSync("javac", ["-version"], { stdio: "ignore" }).status === 0;
}

export function hasFahrschein(): boolean {
  return existsSync(join(FOLDER, `${basename(FOLDER)}.jar`));
}

/** Fetches its jars: seconds, once per machine. @throws where Maven is missing or has no repository */
export function installFahrschein(): void {
  const partial = `${FOLDER}.partial`;
  for (const folder of [FOLDER, partial]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const args = ["-B", "-q", "-f", join(SOURCES, "pom.xml"), "dependency:copy-dependencies"];
  const { status } = spawnSync("mvn", [...args, "-DincludeScope=runtime", `-DoutputDirectory=${partial}`], {
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("mvn dependency:copy-dependencies of Fahrschein failed");
  renameSync(partial, FOLDER);
}

export interface Fahrschein {
  /** A process of its own. */
  start(...args: readonly string[]): JavaProcess;
  /** Kills what runs, and removes what was compiled. */
  stop(): Promise<void>;
}

export interface JavaProcess {
  /** What it has said so far, a JSON value a line. */
  readonly said: readonly Readonly<Record<string, unknown>>[];
  /** Its stderr. */
  readonly log: () => string;
  /** Resolves with the exit code; null after a signal. */
  readonly ended: Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Compiles the client. Stop it in `afterAll`. @throws with what the compiler says */
export async function compileFahrschein(): Promise<Fahrschein> {
  if (!hasFahrschein()) throw new Error(`${FOLDER} is missing: run "npm run setup"`);
  const classes = await mkdtemp(join(tmpdir(), "muara-fahrschein-"));
  const jars = join(FOLDER, "*");
  const compiler = ["-nowarn", "-proc:none", "-cp", jars, "-d", classes, join(SOURCES, `${PROGRAM}.java`)];
  const { status, stderr } = spawnSync("javac", compiler, { encoding: "utf8", timeout: COMPILE_MS_MAX });
  if (status !== 0) throw new Error(`javac failed:\n${stderr}`);
  const running = new Set<JavaProcess>();
  return {
    start: (...args) => {
      const options = [...JVM, "-cp", `${jars}:${classes}`, PROGRAM];
      const started = followed(spawn("java", [...options, ...args], { stdio: ["ignore", "pipe", "pipe"] }));
      running.add(started);
      return started;
    },
    stop: async () => {
      for (const one of running) await one.kill();
      await rm(classes, { recursive: true, force: true });
    },
  };
}

function followed(child: ChildProcess): JavaProcess {
  const said: Record<string, unknown>[] = [];
  let errors = "";
  child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const lines = createInterface({ input: child.stdout! });
  lines.on("line", (line) => said.push(JSON.parse(line) as Record<string, unknown>));
  // All of its output is there, too.
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  return {
    said,
    log: () => errors,
    ended,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
