/**
 * Spark for readers' tests: PySpark of the Python environment, one JVM with little memory, nothing on the network.
 * It needs Java 17 or newer (`npm run setup` installs it); for Delta tables it needs Delta's jars, which the same
 * set-up fetches with Maven into `.services/`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type PythonOptions, runPython } from "./python.ts";

/** Built for Spark 4.2.0; Spark 4.3.0 lacks what its MERGE calls (measured). */
const DELTA = ["io.delta:delta-spark_2.13:4.4.0", "io.delta:delta-storage:4.4.0"] as const;
/** What Spark must not take from whoever runs the tests. */
const ENVIRONMENT = { SPARK_HOME: undefined, PYSPARK_SUBMIT_ARGS: undefined, TZ: "UTC" };
const FOLDER = fileURLToPath(new URL("../../.services/delta-4.4.0", import.meta.url));

/**
 * Python: `session(scratch)` starts Spark, `end(session)` ends it and waits until its JVM is gone. Times of rows are
 * the integers that Spark holds, not Python's times, which know fewer years and other zones; readers of values that
 * matter ask for them as such. A busy machine makes it slow, never unsure: its patience is an hour.
 */
const SESSION = `
import os, sys
from pyspark.sql import SparkSession
def session(scratch, jars):
    builder = SparkSession.builder.master("local[1]").appName("muara-test")
    options = {
        "spark.driver.memory": "1g", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.local.dir": scratch,
        "spark.sql.warehouse.dir": scratch + "/warehouse", "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.io.tmpdir=" + scratch
            + " -Dderby.system.home=" + scratch,
        "spark.network.timeout": "3600s", "spark.executor.heartbeatInterval": "600s",
        "spark.sql.shuffle.partitions": "1", "spark.default.parallelism": "1",
    }
    if jars:
        options["spark.jars"] = jars
        options["spark.sql.extensions"] = "io.delta.sql.DeltaSparkSessionExtension"
        options["spark.sql.catalog.spark_catalog"] = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
        options["spark.databricks.delta.snapshotPartitions"] = "1"
    for key, value in options.items(): builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
def end(spark):
    process = spark.sparkContext._gateway.proc
    spark.stop()
    process.stdin.close()
    process.wait()
`;

export interface SparkOptions extends PythonOptions {
  /** An empty folder for what Spark writes beside. */
  readonly scratch: string;
  /** With Delta's jars. */
  readonly isDelta?: boolean;
}

/**
 * Runs a script that has `spark` and arguments from `sys.argv[1]` on; it must not end before its last line.
 * @returns what it printed, parsed as JSON @throws with its stderr
 */
export function runSpark(script: string, args: readonly string[], options: SparkOptions): Promise<unknown> {
  const jars = options.isDelta ? jarPaths().join(",") : "";
  const start = `${SESSION}\nspark = session(${JSON.stringify(options.scratch)}, ${JSON.stringify(jars)})\n`;
  const environment = { ...ENVIRONMENT, ...options.environment };
  return runPython(`${start}${script}\nend(spark)\n`, args, { ...options, environment });
}

export function hasJava(): boolean {
  const { stderr, status } = spawnSync("java", ["-version"], { encoding: "utf8" });
  return status === 0 && Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0) >= 17;
}

export function hasDelta(): boolean {
  return jarPaths().every((path) => existsSync(path));
}

/** Fetches them: seconds, once per machine. @throws where Maven is missing or has no repository */
export function installDelta(): void {
  rmSync(FOLDER, { recursive: true, force: true });
  const partial = `${FOLDER}.partial`;
  mkdirSync(partial, { recursive: true });
  for (const artifact of DELTA) {
    const { status } = spawnSync(
      "mvn",
      ["-B", "-q", "dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${partial}`],
      { stdio: "inherit" },
    );
    if (status !== 0) throw new Error(`mvn dependency:copy of ${artifact} failed`);
  }
  renameSync(partial, FOLDER);
}

function jarPaths(): string[] {
  return DELTA.map((artifact) => {
    const [, name, version] = artifact.split(":");
    return join(FOLDER, `${name}-${version}.jar`);
  });
}
