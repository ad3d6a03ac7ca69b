/**
 * lake/table/commit-file.ts with a memory: many readers parse the same commits over and over, and parsing is a pure
 * function of the bytes, which the simulated store hands out uncopied. `hooks.ts` puts it in the place of the
 * original.
 */
import { type CommitFile, parseCommit as parse } from "../../lake/table/commit-file.ts";

export { type CommitFile, commitFileName, ENGINE_INFO, formatCommit } from "../../lake/table/commit-file.ts";

const known = new WeakMap<Uint8Array, CommitFile>();

export function parseCommit(version: number, bytes: Uint8Array): CommitFile {
  const found = known.get(bytes);
  if (found?.version === version) return found;
  const parsed = parse(version, bytes);
  known.set(bytes, parsed);
  return parsed;
}
