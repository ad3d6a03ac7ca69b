/**
 * The pause of a table: for a while nobody of Muara commits to it, so that a writer may whose commits are not safe
 * beside ours (research on foreign writers: a local commit of theirs is not put-if-absent). It is a property of the
 * table, set by a commit: whoever decided on an earlier version meets it in the conflict loop, before any commit of
 * its own, in whatever process. The table's log itself refuses commits until it ends.
 *
 * The surprising rule: a pause always ends by itself, since who asked for it may be gone. A foreign writer that is not
 * done by then must not commit.
 */
import { MuaraError } from "../../core/errors.ts";
import type { TableChange, TableLog, TableMetadata, TableSnapshot } from "../../core/ports/table-log.ts";
import { setProperties } from "./set-properties.ts";

/** Until when nobody of Muara commits to the table: ms since 1970 UTC. */
const PAUSED_UNTIL = "muara.pausedUntil";

export const PAUSE_MS_MIN = 1_000;
export const PAUSE_MS_DEFAULT = 3_600_000;
export const PAUSE_MS_MAX = 86_400_000;

/** When the table's pause ends, ms since 1970 UTC; undefined where it has none, or it is over. */
export function pausedUntilMs(metadata: TableMetadata | undefined, nowMs: number): number | undefined {
  const text = metadata?.configuration[PAUSED_UNTIL];
  const untilMs = text === undefined || !/^\d{1,15}$/.test(text) ? undefined : Number(text);
  return untilMs !== undefined && untilMs > nowMs ? untilMs : undefined;
}

/** @throws table.paused */
export function checkNotPaused(metadata: TableMetadata | undefined, nowMs: number): void {
  const untilMs = pausedUntilMs(metadata, nowMs);
  if (untilMs === undefined) return;
  const until = new Date(untilMs).toISOString();
  throw new MuaraError("table.paused", `The table "${metadata?.name}" is paused until ${until}.`, {
    details: { table: metadata?.name, until },
  });
}

/** Holds a change against the table that it would be committed to. @throws table.paused */
export function checkChangeAllowed(
  metadata: TableMetadata | undefined,
  change: TableChange,
  nowMs: number,
): void {
  const isAboutPause =
    change.metadata !== undefined &&
    change.metadata.configuration[PAUSED_UNTIL] !== metadata?.configuration[PAUSED_UNTIL];
  if (!isAboutPause) checkNotPaused(metadata, nowMs);
}

/**
 * Once this has resolved, no commit of Muara follows until `untilMs`, or until the pause is lifted.
 * @param untilMs ms since 1970 UTC; another one than before moves the end
 * @throws table.not_found, table.commit_conflict where others change the metadata all the time
 */
export function pauseTable(log: TableLog, untilMs: number): Promise<TableSnapshot> {
  return setPause(log, String(Math.floor(untilMs)), "pause");
}

/** @throws table.not_found, table.commit_conflict */
export function resumeTable(log: TableLog): Promise<TableSnapshot> {
  return setPause(log, undefined, "resume");
}

async function setPause(log: TableLog, until: string | undefined, kind: string): Promise<TableSnapshot> {
  return setProperties(log, await log.snapshot(), {
    kind,
    decide: ({ configuration }) => {
      const { [PAUSED_UNTIL]: before, ...others } = configuration;
      if (before === until) return undefined;
      return until === undefined ? others : { ...others, [PAUSED_UNTIL]: until };
    },
  });
}
