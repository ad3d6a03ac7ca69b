/**
 * A copy of the program with a mistake in it, to see whether a proof finds it: a proof that cannot fail proves nothing.
 * The product itself has no switch for mistakes.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { temporaryFolder } from "../services/muara.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RUN = promisify(execFile);

/** In `file`, `right` stands exactly once and becomes `wrong`. */
export interface Plant {
  readonly file: string;
  readonly right: string;
  readonly wrong: string;
}

/** @returns its root folder @throws where a plant does not fit the program any more */
export async function plantedCopy(
  plants: readonly Plant[],
): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const folder = await temporaryFolder("planted");
  const { stdout } = await RUN("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
    cwd: ROOT,
    maxBuffer: 2 ** 26,
  });
  const files = stdout.split("\0").filter((file) => /\.(?:ts|js|json|wasm)$/.test(file));
  for (const file of files) {
    await mkdir(join(folder.path, dirname(file)), { recursive: true });
    await cp(join(ROOT, file), join(folder.path, file));
  }
  await symlink(join(ROOT, "node_modules"), join(folder.path, "node_modules"));
  for (const plant of plants) await sow(folder.path, plant);
  return folder;
}

async function sow(root: string, { file, right, wrong }: Plant): Promise<void> {
  const path = join(root, file);
  const text = await readFile(path, "utf8");
  const parts = text.split(right);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${right}`);
  await writeFile(path, parts.join(wrong));
}
