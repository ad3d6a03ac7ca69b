/**
 * lake/table/commit-file.ts for a simulated world: in most worlds a commit's bytes stand for the commit itself, in
 * the others they are the real ones, parsed once however many read them. `hooks.ts` puts it in the place of the
 * original.
 */
import type { TableChange } from "../../core/ports/table-log.ts";
import { PROTOCOL } from "../../lake/table/actions.ts";
import {
  type CommitFile,
  type CommitHeading,
  formatCommit as format,
  parseCommit as parse,
} from "../../lake/table/commit-file.ts";
import { behind, handleOf } from "./handles.ts";

export { type CommitFile, commitFileName, ENGINE_INFO } from "../../lake/table/commit-file.ts";

let isLight = false;
const known = new WeakMap<Uint8Array, CommitFile>();

/** What commits of the world that begins are written as. */
export function chooseFormat(light: boolean): void {
  isLight = light;
}

export function formatCommit(heading: CommitHeading, change: TableChange): Uint8Array<ArrayBuffer> {
  if (!isLight) return format(heading, change);
  const { version, commitId, timestampMs, isFirst } = heading;
  const { operation, metadata, add, remove, txns, info } = change;
  const commit: CommitFile = {
    version,
    commitId,
    timestampMs,
    operation,
    protocol: isFirst ? PROTOCOL : undefined,
    ...(metadata === undefined ? {} : { metadata }),
    add: [...add],
    remove: [...remove],
    txns: [...txns],
    info,
  };
  return handleOf(commit);
}

export function parseCommit(version: number, bytes: Uint8Array): CommitFile {
  const found = (behind(bytes) as CommitFile | undefined) ?? known.get(bytes);
  if (found) return found;
  const parsed = parse(version, bytes);
  known.set(bytes, parsed);
  return parsed;
}
