/** The token with which the owner of a data folder administers what runs over it. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { EVERYTHING } from "../../core/authorize.ts";
import type { Clock } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import type { Registry } from "../../core/registry.ts";
import { createToken } from "../../core/token.ts";

/**
 * The administrator's token lies in DIR/token, readable by the owner of the folder only; the registry knows its
 * hash. Where the file is missing a new one is made: whoever may write the folder owns the data anyway.
 */
export async function ensureToken(
  { config, registry }: { readonly config: Pick<Config, "auth" | "data">; readonly registry: Registry },
  clock: Clock,
): Promise<{ text: string; isNew: boolean } | undefined> {
  if (config.auth === "none") return undefined;
  const path = join(resolve(config.data), "token");
  const known = registry.list("token").length > 0;
  const present = known ? await readFile(path, "utf8").catch(() => undefined) : undefined;
  if (present) return { text: present.trim(), isNew: false };
  const { text, declared } = await createToken("administrator", EVERYTHING, clock.nowMs(), null);
  await registry.put("token", declared.id, 0, declared);
  await mkdir(resolve(config.data), { recursive: true });
  await writeFile(path, `${text}\n`, { mode: 0o600 });
  return { text, isNew: true };
}
