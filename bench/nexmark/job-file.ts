/** The jobs as files. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { NexmarkQuery } from "./reference.ts";

export function nexmarkJobPath(query: NexmarkQuery): string {
  return fileURLToPath(new URL(`${query}.sql`, import.meta.url));
}

export function nexmarkJob(query: NexmarkQuery): string {
  return readFileSync(nexmarkJobPath(query), "utf8");
}
