/**
 * lake/table/commit-file.ts with a memory: many readers parse the same commits over and over, and parsing is a pure
 * function of the bytes. `hooks.ts` puts it in the place of the original.
 */
import { Buffer } from "node:buffer";
import { type CommitFile, parseCommit as parse } from "../../lake/table/commit-file.ts";

export { type CommitFile, commitFileName, ENGINE_INFO, formatCommit } from "../../lake/table/commit-file.ts";

const KNOWN_MAX = 2_000;
const known = new Map<string, CommitFile>();

export function parseCommit(version: number, bytes: Uint8Array): CommitFile {
  const key = version + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const found = known.get(key);
  if (found) return found;
  if (known.size >= KNOWN_MAX) known.clear();
  const parsed = parse(version, bytes);
  known.set(key, parsed);
  return parsed;
}
