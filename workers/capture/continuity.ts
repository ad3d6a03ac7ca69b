/**
 * Whether what the source would tell next follows what is here. Where it may not, nothing is told from then on: a gap
 * that nobody knows of is worse than a capture that stands still.
 */
import type { CaptureState } from "../../core/capture.ts";
import type { SourceServer, SourceSlot } from "../../core/ports/source-database.ts";

/** @returns what is wrong and what to do; undefined where all is well */
export function discontinuity(
  name: string,
  state: Pick<CaptureState, "systemId" | "timeline" | "lsn" | "slot">,
  server: Pick<SourceServer, "systemId" | "timeline" | "lsn">,
  slot: SourceSlot | undefined,
): string | undefined {
  const anew = `Copy anew with \`muara capture recopy ${name}\`.`;
  if (server.systemId !== state.systemId)
    return (
      `another database server answers (system ${server.systemId}, captured was ${state.systemId}). ` +
      `Point the address back to that one; if this one replaces it: ${anew}`
    );
  if (server.timeline !== state.timeline)
    return (
      `the server is on timeline ${server.timeline}, captured was ${state.timeline}: it was restored or a standby ` +
      `was promoted, and changes may be missing. ${anew}`
    );
  if (server.lsn < BigInt(state.lsn))
    return (
      `the server's log ends at ${server.lsn}, and changes up to ${state.lsn} are here already: it went back to an ` +
      `earlier state. ${anew}`
    );
  if (!slot)
    return `the slot ${state.slot} is gone, and with it the log that comes next. Somebody dropped it. ${anew}`;
  if (slot.walStatus === "lost" || slot.restartLsn === null)
    return (
      `the slot ${state.slot} is lost: the server removed log that was still needed (max_slot_wal_keep_size). ` +
      `Raise that setting, then: ${anew}`
    );
  if (slot.plugin !== "pgoutput")
    return `the slot ${state.slot} has the plugin ${slot.plugin}: it is none of ours. Drop it. ${anew}`;
  if (slot.confirmedLsn !== null && slot.confirmedLsn > BigInt(state.lsn))
    return (
      `the slot ${state.slot} is at ${slot.confirmedLsn}, further than what is here (${state.lsn}): somebody else ` +
      `read it, or it was dropped and made again. ${anew}`
    );
  return undefined;
}
