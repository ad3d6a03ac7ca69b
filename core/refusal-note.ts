/**
 * An event that somebody else's door has accepted and ours would refuse (`workers/pull`): nobody can be told, so it is
 * appended all the same, with a note in its record's header of what is wrong. Landing makes it a dead letter for that
 * reason, and no subscriber gets it.
 *
 * The note comes first in the header; who looks at every record needs a few bytes to tell.
 */
import { isEqual } from "./bytes.ts";
import { ERRORS, type ErrorCode } from "./errors.ts";

export interface RefusalNote {
  readonly code: ErrorCode;
  /** RFC 6901, where one value is to blame. */
  readonly pointer: string | null;
  readonly detail: string;
}

const PREFIX = new TextEncoder().encode('{"refused":');
const decoder = new TextDecoder();

/** The member of a header that says so; to be put before all others. */
export function refusalMember(note: RefusalNote): Record<string, unknown> {
  return { refused: note };
}

/** Whether the header at `bytes[at, at + length)` begins with a note. */
export function hasRefusalNote(bytes: Uint8Array, at: number, length: number): boolean {
  return length > PREFIX.length && isEqual(bytes, at, at + PREFIX.length, PREFIX);
}

/** @param header that begins with a note @returns a note of its own where it was written by no door of ours */
export function refusalNoteOf(header: Uint8Array): RefusalNote {
  try {
    const { refused } = JSON.parse(decoder.decode(header)) as { readonly refused?: Partial<RefusalNote> };
    const { code, pointer, detail } = refused ?? {};
    if (code !== undefined && Object.hasOwn(ERRORS, code) && typeof detail === "string")
      return { code, pointer: typeof pointer === "string" ? pointer : null, detail };
  } catch {
    // not written by a door of ours
  }
  return { code: "event.schema", pointer: null, detail: "was refused, and its note cannot be read" };
}
