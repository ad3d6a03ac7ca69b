/**
 * A Python environment for readers that are not ours (delta-rs, Polars, PyArrow, Spark). Made once under the
 * git-ignored `.venv/`, named after a hash of the requirements, so that a new pin makes a new environment. Needs
 * `python3` with `venv` and access to a package index; nothing is skipped where they lack, the test fails and says so.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { withPathLock } from "../../adapters/file/path-lock.ts";

const run = promisify(execFile);
/** What users of the notebooks install: exact versions of everything, with the hashes of their files. */
const NOTEBOOKS = fileURLToPath(new URL("../../notebooks/requirements.txt", import.meta.url));

/**
 * Per environment. The client of Delta Sharing holds back pandas and pyarrow; chdb alone takes half a gigabyte, and a
 * new pin of it should not make the others anew.
 */
const REQUIREMENTS = {
  lake: [
    "deltalake==1.6.6",
    "duckdb==1.5.5",
    "duckdb-extension-delta==1.5.5",
    "polars==2.1.0",
    "pyarrow==26.0.1",
    "pyspark==4.2.1",
  ],
  bus: ["pyNakadi==0.2.14.8"],
  schemathesis: ["schemathesis==4.32.5"],
  clickhouse: ["chdb==4.4.0"],
  cloudevents: ["cloudevents==2.2.0"],
  flink: ["apache-flink==2.3.0"],
  contracts: ["datacontract-cli==1.2.8", "sqlglot==30.30.0"],
  metrics: ["prometheus-client==0.26.0"],
  lineage: ["openlineage-python==1.54.0"],
  notebooks: ["--require-hashes", "--requirement", NOTEBOOKS],
  sharing: [
    "delta-sharing==1.4.2",
    "duckdb-extension-avro==1.5.5",
    "duckdb-extension-iceberg==1.5.5",
    "pandas==2.3.3",
    "polars==2.1.0",
    "pyarrow==23.0.1",
    "pyiceberg[pyarrow]==0.12.0",
  ],
  tokens: ["PyJWT==2.15.1", "cryptography==50.0.2", "rfc8785==0.1.4"],
} as const;
export type PythonSet = keyof typeof REQUIREMENTS;
/** What `npm run setup` makes. */
export const PYTHON_SETS = Object.keys(REQUIREMENTS) as readonly PythonSet[];
const FOLDER = fileURLToPath(new URL("../../.venv", import.meta.url));
const INSTALL_MS_MAX = 900_000;
const SCRIPT_MS_MAX = 120_000;
/** Ends without tearing down native threads: Polars and PyArrow in one process abort there (measured). */
const END = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n";

export interface PythonEnvironment {
  /** Path of the interpreter. */
  readonly python: string;
}

const made = new Map<PythonSet, Promise<PythonEnvironment>>();

/** The environment with its REQUIREMENTS; made when absent (a minute or two, once per machine). */
export function pythonEnvironment(set: PythonSet = "lake"): Promise<PythonEnvironment> {
  let environment = made.get(set);
  if (!environment) made.set(set, (environment = make(REQUIREMENTS[set])));
  return environment;
}

export interface PythonOptions {
  /** Default: the readers of the lake. */
  readonly set?: PythonSet;
  /** How long the script may take, ms. */
  readonly timeoutMs?: number;
  /** Variables beside those of this process; undefined takes one away. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Runs a script with arguments. @returns what it printed, parsed as JSON @throws with its stderr */
export async function runPython(
  script: string,
  args: readonly string[] = [],
  { set = "lake", timeoutMs = SCRIPT_MS_MAX, environment = {} }: PythonOptions = {},
): Promise<unknown> {
  const { python } = await pythonEnvironment(set);
  try {
    const { stdout } = await run(python, ["-c", script + END, ...args], {
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...environment },
    });
    return JSON.parse(stdout);
  } catch (error) {
    throw new Error(`the Python script failed:\n${stderrOf(error)}`, { cause: error });
  }
}

async function make(requirements: readonly string[]): Promise<PythonEnvironment> {
  const text = requirements.map((one) => (one === NOTEBOOKS ? readFileSync(one, "utf8") : one)).join("\n");
  const key = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const folder = join(FOLDER, key);
  const complete = join(folder, "complete");
  const python = join(folder, "bin", "python");
  const build = async (): Promise<void> => {
    if (await exists(complete)) return; // another test process was faster
    await rm(folder, { recursive: true, force: true });
    await step("python3 -m venv", "python3", ["-m", "venv", folder]);
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...requirements];
    await step(`pip install ${requirements.join(" ")}`, python, install);
    await writeFile(complete, requirements.join("\n"));
  };
  if (!(await exists(complete))) {
    await mkdir(FOLDER, { recursive: true });
    await withPathLock(join(FOLDER, `${key}.lock`), build, { waitMsMax: INSTALL_MS_MAX });
  }
  return { python };
}

async function step(title: string, command: string, args: readonly string[]): Promise<void> {
  try {
    await run(command, args, { timeout: INSTALL_MS_MAX });
  } catch (error) {
    const help =
      "The tests with foreign readers need python3 with the venv module (Debian: python3-venv) and a package index.";
    throw new Error(`${title} failed.\n${help}\n${stderrOf(error)}`, { cause: error });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function stderrOf(error: unknown): string {
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
  return stderr.trim() === "" ? String(error) : stderr.trim();
}
