/**
 * One line of a Nakadi stream: `{"cursor":{…},"events":[…],"info":{…}}`. Only the cursor is parsed; the events are
 * found by where they lie, and judged by who takes them.
 */
import { isEqual } from "../../core/bytes.ts";
import { MuaraError } from "../../core/errors.ts";
import { isObject } from "../ingest/json-schema.ts";
import { MemberWalk } from "../ingest/streams/json-members.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CURSOR = encoder.encode('"cursor"');
const EVENTS = encoder.encode('"events"');
const INFO = encoder.encode('"info"');
const NOTHING = encoder.encode("[]");
/** A cursor has four short texts. */
const CURSOR_BYTES_MAX = 8_192;

export interface Cursor {
  readonly event_type: string;
  readonly partition: string;
  readonly offset: string;
  readonly cursor_token: string;
}

export interface BatchLine {
  readonly cursor: Cursor;
  /** JSON array; undefined where the line has no events. Of a line that was cut, what there is of it. */
  readonly events: Uint8Array | undefined;
  /** What the remote says about the stream. */
  readonly note: string | undefined;
}

/** @throws pull.protocol for what has no cursor */
export function parseLine(bytes: Uint8Array): BatchLine {
  const walk = new MemberWalk();
  let cursor: Cursor | undefined;
  let events: Uint8Array | undefined;
  let note: string | undefined;
  if (walk.enter(bytes, 0))
    while (walk.next()) {
      const value = bytes.subarray(walk.valueAt, walk.valueEnd);
      if (walk.isKey(CURSOR)) cursor = cursorOf(value);
      else if (walk.isKey(EVENTS)) events = isEqual(value, 0, value.length, NOTHING) ? undefined : value;
      else if (walk.isKey(INFO)) note = decoder.decode(value.subarray(0, CURSOR_BYTES_MAX));
    }
  if (cursor) return { cursor, events, note };
  throw new MuaraError("pull.protocol", "The remote sends a line without a cursor.");
}

function cursorOf(bytes: Uint8Array): Cursor | undefined {
  if (bytes.length > CURSOR_BYTES_MAX) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const { event_type, partition, offset, cursor_token } = parsed;
  const isWhole = [event_type, partition, offset, cursor_token].every((one) => typeof one === "string");
  return isWhole ? ({ event_type, partition, offset, cursor_token } as Cursor) : undefined;
}
