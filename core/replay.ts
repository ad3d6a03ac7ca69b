/**
 * A dead letter published again carries a note of it in its record's header, so the mark that it was replayed and
 * the event itself become durable in one append: neither can exist without the other.
 *
 * The note comes first in the header; landing, which looks at every record, needs a few bytes to tell.
 */

export interface ReplayNote {
  /** Which dead letter. */
  readonly replayOf: string;
  /** Who asked for it: the principal's id. */
  readonly replayedBy: string;
  /** Whether the bytes were changed. */
  readonly isCorrected: boolean;
}

/** The id of a record: of the dead letter, or the duplicate, that it became. */
export function recordId(topicId: string, partition: number | bigint, offset: number | bigint): string {
  return `${topicId}:${partition}:${offset}`;
}

const PREFIX = new TextEncoder().encode('{"replay_of":');
const decoder = new TextDecoder();

/** The members of a header that say so; to be put before all others. */
export function replayMembers(note: ReplayNote): Record<string, unknown> {
  return { replay_of: note.replayOf, replayed_by: note.replayedBy, corrected: note.isCorrected };
}

/** Whether the header at `bytes[at, at + length)` begins with a note. */
export function hasReplayNote(bytes: Uint8Array, at: number, length: number): boolean {
  if (length <= PREFIX.length) return false;
  for (let i = 0; i < PREFIX.length; i++) if (bytes[at + i] !== PREFIX[i]) return false;
  return true;
}

/** @returns undefined for a header without a note */
export function replayNoteOf(
  header: Uint8Array,
): (ReplayNote & { readonly flowId: string | null }) | undefined {
  if (!hasReplayNote(header, 0, header.length)) return undefined;
  let parsed: Readonly<Record<string, unknown>>;
  try {
    parsed = JSON.parse(decoder.decode(header)) as Record<string, unknown>;
  } catch {
    return undefined; // not written by a door of ours
  }
  const { replay_of: replayOf, replayed_by: replayedBy, corrected, flow_id: flowId } = parsed;
  if (typeof replayOf !== "string" || typeof replayedBy !== "string") return undefined;
  return {
    replayOf,
    replayedBy,
    isCorrected: corrected === true,
    flowId: typeof flowId === "string" ? flowId : null,
  };
}
