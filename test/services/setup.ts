/**
 * What the tests need beside Node and npm. `npm test` asks in its first second and names what is missing and what
 * installs it; `npm run setup` installs it, asking nothing (Debian's packages; under `.services/` what Go and Maven
 * fetch); `npm test` itself never does.
 */
import { execFileSync, spawnSync } from "node:child_process";
import process from "node:process";
import { hasAlertmanager } from "./alertmanager.ts";
import { chromiumPath } from "./browser.ts";
import { hasElasticsearch, installElasticsearch } from "./elasticsearch.ts";
import { hasFahrschein, hasJavac, installFahrschein } from "./java.ts";
import { hasKafka, installKafka } from "./kafka.ts";
import { hasPostgres, hasWal2json } from "./postgres.ts";
import { hasPromtool, installPromtool } from "./promtool.ts";
import { PYTHON_SETS, pythonEnvironment } from "./python.ts";
import { hasDelta, hasJava, installDelta } from "./spark.ts";
import { hasToxiproxy, installToxiproxy } from "./toxiproxy.ts";
import { hasVersitygw, installVersitygw } from "./versitygw.ts";

interface Need {
  readonly what: string;
  readonly for: string;
  readonly isThere: () => boolean;
  /** Debian's. */
  readonly packages: readonly string[];
  /** Beyond its packages, with the program that they bring. */
  readonly build?: () => void;
  /** Where this runs, the packages are there already. */
  readonly builder?: readonly [string, ...string[]];
}

const NEEDS: readonly Need[] = [
  {
    what: "PostgreSQL 15 or newer with pgbench",
    for: "sources of captures and operational stores (test/adapters/pg, test/e2e)",
    isThere: hasPostgres,
    packages: ["postgresql", "postgresql-contrib"],
  },
  {
    what: "wal2json for PostgreSQL",
    for: "another decoder of the same changes (test/adapters/pg)",
    isThere: hasWal2json,
    packages: ["postgresql-15-wal2json"],
  },
  {
    what: "python3 with venv and pip",
    for: "foreign readers of the lake: delta-rs, Polars, PyArrow, Spark",
    isThere: () => runs("python3", "-c", "import venv, ensurepip"),
    packages: ["python3", "python3-venv", "python3-pip"],
  },
  {
    what: "git",
    for: "the rules of the house, which look at tracked files",
    isThere: () => runs("git", "--version"),
    packages: ["git"],
  },
  {
    what: "strace, allowed to trace (ptrace)",
    for: "crash points and failing syncs: syscalls of real processes are stopped and refused (test/fire)",
    isThere: () => runs("strace", "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"),
    packages: ["strace"],
  },
  {
    what: "versitygw, built by Go 1.25 (or 1.21, which fetches it)",
    for: "a real S3 server: the log and the store on S3, the edge door (test/adapters/s3, test/edge)",
    isThere: hasVersitygw,
    packages: ["golang-go"],
    build: installVersitygw,
    builder: ["go", "version"],
  },
  {
    what: "Java 17 or newer",
    for: "Spark, which reads files and tables (test/lake/parquet, test/e2e), and Kafka",
    isThere: hasJava,
    packages: ["default-jre-headless"],
  },
  {
    what: "Delta for Spark, fetched by Maven",
    for: "Spark, which reads the lake (test/e2e)",
    isThere: hasDelta,
    packages: ["maven"],
    build: installDelta,
    builder: ["mvn", "--version"],
  },
  {
    what: "Kafka, fetched by Maven",
    for: "a real broker: the log on Kafka (test/adapters/kafka, test/e2e)",
    isThere: hasKafka,
    packages: ["maven"],
    build: installKafka,
    builder: ["mvn", "--version"],
  },
  {
    what: "a Java compiler",
    for: "Zalando's client Fahrschein as a program (test/e2e/fahrschein)",
    isThere: hasJavac,
    packages: ["default-jdk-headless"],
  },
  {
    what: "Fahrschein, fetched by Maven",
    for: "a real client of Nakadi's API (test/e2e/fahrschein)",
    isThere: hasFahrschein,
    packages: ["maven"],
    build: installFahrschein,
    builder: ["mvn", "--version"],
  },
  {
    what: "Elasticsearch 9 on Java 21 or newer (else 8 on Java 17), fetched by Maven",
    for: "a real search engine: rows and alerts in its indices (test/adapters/elasticsearch, test/e2e)",
    isThere: hasElasticsearch,
    packages: ["maven"],
    build: installElasticsearch,
    builder: ["mvn", "--version"],
  },
  {
    what: "toxiproxy, built by Go",
    for: "networks that fail: resets, lost answers, slowness between Muara and S3 or Kafka",
    isThere: hasToxiproxy,
    packages: ["golang-go"],
    build: installToxiproxy,
    builder: ["go", "version"],
  },
  {
    what: "Alertmanager",
    for: "a real receiver of alerts (test/adapters/alertmanager)",
    isThere: hasAlertmanager,
    packages: ["prometheus-alertmanager"],
  },
  {
    what: "Chromium",
    for: "the dashboard in a browser (test/browser)",
    isThere: () => chromiumPath() !== undefined,
    packages: ["chromium"],
  },
  {
    what: "promtool, out of Debian's package of Prometheus",
    for: "what an alert's states are, from Prometheus itself (test/core/alert)",
    isThere: hasPromtool,
    packages: ["dpkg"],
    build: installPromtool,
    builder: ["dpkg-deb", "--version"],
  },
];

/** vitest's global set-up. @throws with every missing thing at once */
export function setup(): void {
  const missing = NEEDS.filter((need) => !need.isThere());
  if (missing.length === 0) return;
  const lines = missing.map((need) => `  ${need.what}: ${need.for} (Debian: ${need.packages.join(", ")})`);
  throw new Error(
    `This machine lacks what the tests need:\n${lines.join("\n")}\n"npm run setup" installs it on Debian.`,
  );
}

async function install(): Promise<void> {
  installMissing();
  if (process.exitCode !== undefined) return;
  for (const set of PYTHON_SETS) await pythonEnvironment(set); // otherwise the first test that needs it waits
}

function installMissing(): void {
  const missing = NEEDS.filter((need) => !need.isThere());
  for (const need of NEEDS) console.log(`${missing.includes(need) ? "missing" : "present"}  ${need.what}`);
  if (missing.length === 0) return;
  const packages = missing.flatMap((need) => (need.builder && runs(...need.builder) ? [] : need.packages));
  if (packages.length > 0) {
    execFileSync("apt-get", ["update"], { stdio: "inherit" });
    execFileSync("apt-get", ["install", "-y", "--no-install-recommends", ...packages], { stdio: "inherit" });
  }
  for (const need of missing) need.build?.();
  const barred = missing.filter((need) => !need.isThere());
  for (const need of barred) console.error(`installed, but still not usable here: ${need.what}`);
  if (barred.length > 0) process.exitCode = 1;
}

function runs(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

if (process.argv[1] === import.meta.filename) await install();
