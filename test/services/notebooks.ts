/** The notebooks of `notebooks/`, executed as a user executes them, and every figure in them asked of Muara itself. */
import { execFile } from "node:child_process";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { MuaraProcess } from "./muara.ts";
import { pythonEnvironment } from "./python.ts";

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL("../../notebooks", import.meta.url));
const RUNNER = fileURLToPath(new URL("run_notebooks.py", import.meta.url));
const RUN_MS_MAX = 600_000;

/** [notebook][figure][row][column], values as texts. */
export type Figures = Readonly<Record<string, Readonly<Record<string, readonly (readonly string[])[]>>>>;

export interface NotebooksRun {
  /** The Muara that is asked the same; it serves the lake that the notebooks read. */
  readonly muara: MuaraProcess;
  /** What `muara.connect()` finds in the environment as `MUARA_LAKE`. */
  readonly lake: string;
  /** A scratch folder, where the notebooks are copied to: executing them leaves nothing in the repository. */
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** @throws with what Python printed, where a cell fails or a figure differs */
export async function runNotebooks({
  muara,
  lake,
  folder,
  environment = {},
}: NotebooksRun): Promise<Figures> {
  const { python } = await pythonEnvironment("notebooks");
  const notebooks = (await readdir(FOLDER)).filter((name) => name.endsWith(".ipynb")).toSorted();
  for (const name of [...notebooks, "muara.py"]) await cp(join(FOLDER, name), join(folder, name));
  const args = [RUNNER, muara.url, muara.token, ...notebooks.map((name) => join(folder, name))];
  const { stdout } = await run(python, args, {
    timeout: RUN_MS_MAX,
    maxBuffer: 64 * 1024 * 1024,
    env: {
      // Nothing of the environment decides what the notebooks see, but for where programs are.
      PATH: process.env["PATH"],
      HOME: folder,
      IPYTHONDIR: join(folder, ".ipython"),
      JUPYTER_CONFIG_DIR: join(folder, ".jupyter"),
      PYTHONDONTWRITEBYTECODE: "1",
      PYDEVD_DISABLE_FILE_VALIDATION: "1",
      MUARA_LAKE: lake,
      ...environment,
    },
  });
  return JSON.parse(stdout) as Figures;
}
