/**
 * Flink for tests and benches: PyFlink of the Python environment, a cluster of one slot within one JVM, which needs
 * Java 17 or newer. Scripts of SQL run one after the other; each ends when its input has ended, and then every window
 * is over.
 */
import { runPython } from "./python.ts";

/** Arguments: files of statements, of which each ends with a semicolon at the end of a line. */
export const FLINK_PROGRAM = `
import json, re, sys, time
from pyflink.table import EnvironmentSettings, TableEnvironment
SET = re.compile(r"SET '(.*)' = '(.*)'$")
seconds = []
for file in sys.argv[1:]:
    began = time.monotonic()
    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    config = environment.get_config()
    # Without this a job that fails begins again, for ever and without a word.
    config.set("restart-strategy.type", "none")
    config.set("parallelism.default", "1")
    config.set("pipeline.object-reuse", "true")
    lines = [line for line in open(file) if not line.startswith("--")]
    for statement in "".join(lines).split(";\\n"):
        statement = statement.strip()
        setting = SET.match(statement)
        if setting: config.set(setting[1], setting[2])
        elif statement.startswith("INSERT"): environment.execute_sql(statement).wait()
        elif statement: environment.execute_sql(statement)
    seconds.append(time.monotonic() - began)
print(json.dumps(seconds))
`;

const SCRIPTS_MS_MAX = 600_000;

/** @returns seconds of each */
export async function runFlink(files: readonly string[]): Promise<readonly number[]> {
  const options = { set: "flink", timeoutMs: SCRIPTS_MS_MAX, environment: { TZ: "UTC" } } as const;
  return (await runPython(FLINK_PROGRAM, files, options)) as readonly number[];
}
