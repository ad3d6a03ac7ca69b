/** Finds and loads the configuration file: the one named, else muara.config.ts (or .js) in the working folder. */
import { existsSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { type Config, type ConfigInput, resolveConfig } from "../../core/config.ts";
import { MuaraError } from "../../core/errors.ts";

const NAMES = ["muara.config.ts", "muara.config.js", "muara.config.mjs"];

export interface LoadedConfigFile {
  /** Absolute; undefined where there is none. */
  readonly file: string | undefined;
  readonly config: ConfigInput | undefined;
}

/** @throws config.invalid where the named file does not exist, or exports no configuration */
export async function loadConfigFile(named: string | undefined, folder: string): Promise<LoadedConfigFile> {
  const candidates = (named === undefined ? NAMES : [named]).map((name) => path.resolve(folder, name));
  const file = candidates.find((candidate) => existsSync(candidate));
  if (file === undefined) {
    if (named === undefined) return { file, config: undefined };
    throw new MuaraError("config.invalid", `${named} does not exist`);
  }
  let loaded: { readonly default?: ConfigInput };
  try {
    loaded = (await import(pathToFileURL(file).href)) as { default?: ConfigInput };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MuaraError("config.invalid", `${file} cannot be loaded: ${reason}`, { cause });
  }
  if (typeof loaded.default !== "object")
    throw new MuaraError(
      "config.invalid",
      `${file} has no default export; use: export default defineConfig({ … })`,
    );
  return { file, config: loaded.default };
}

/** Defaults, then the file, then the environment, then the command line. @throws config.invalid */
export async function loadConfig(file: string | undefined, flags: ConfigInput): Promise<Config> {
  const { config } = await loadConfigFile(file, process.cwd());
  return resolveConfig({ file: config, environment: process.env, flags }).config;
}
