/**
 * Builds the dashboard into `dist-dashboard/` (ignored by git, packed on publish): `npm run dashboard`. With
 * `--if-missing` only where nothing was built yet; without Vite (an install for production) it says so and ends well.
 */
import { existsSync } from "node:fs";
import { readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";

const ROOT = join(import.meta.dirname, "../..");
const REPLACE_ATTEMPTS = 10;
export const BUILT = join(ROOT, "dist-dashboard");

/** Replaces what stands at `to` as a whole: a process that starts meanwhile finds the old files or the new ones. */
export async function buildDashboard(to: string): Promise<void> {
  const { build } = await import("vite");
  const fresh = `${to}.${process.pid}`;
  await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: "error",
    build: {
      outDir: fresh,
      emptyOutDir: true,
      target: "es2024",
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 1_000,
    },
  });
  await compress(join(fresh, "assets"));
  await replace(fresh, to);
}

/** Of several that build at once each puts its own there; the last one stays. */
async function replace(fresh: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await rm(to, { recursive: true, force: true });
    try {
      return await rename(fresh, to);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (attempt === REPLACE_ATTEMPTS || (code !== "ENOTEMPTY" && code !== "EEXIST")) throw error;
    }
  }
}

/** What is served compressed lies there compressed, once and as well as it goes. */
async function compress(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/\.(js|css|svg)$/.test(name)) continue;
    const bytes = gzipSync(await readFile(join(folder, name)), { level: 9 });
    await writeFile(join(folder, `${name}.gz`), bytes);
    await unlink(join(folder, name));
  }
}

async function run(): Promise<void> {
  if (process.argv.includes("--if-missing") && existsSync(join(BUILT, "index.html"))) return;
  const isInstalled = existsSync(join(ROOT, "node_modules/vite/package.json"));
  if (isInstalled) await buildDashboard(BUILT);
  else process.stderr.write("the dashboard is not built: vite is not installed\n");
}

if (process.argv[1] === import.meta.filename) await run();
