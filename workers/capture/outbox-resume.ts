/**
 * Which messages of a capture are in the log already: what comes again after a crash is left out where it is there.
 * Landing would know those that have ids; dead letters and events without ids have none.
 *
 * Messages of one partition are appended in the order of their places, so the newest own one there tells.
 */
import type { ChangePlace } from "../../core/change.ts";
import type { Log } from "../../core/ports/log.ts";
import { headerOf } from "../../core/record.ts";

/** Records of others may stand behind the newest own one; so far back it is looked for. */
const RECORDS_MAX = 20_000;
const READ_BYTES = 1_048_576;
const decoder = new TextDecoder();

export interface MessageOrigin extends Omit<ChangePlace, "lsn"> {
  readonly capture: string;
  readonly prefix: string;
  /** Text of an integer. */
  readonly lsn: string;
}

/** @returns undefined where none is found */
export async function newestMessage(
  log: Log,
  capture: string,
  stream: string,
  partition: number,
): Promise<ChangePlace | undefined> {
  const { startOffset, endOffset } = await log.bounds(stream, partition);
  let newest: ChangePlace | undefined;
  for (let offset = Math.max(startOffset, endOffset - RECORDS_MAX); offset < endOffset;) {
    const batch = await log.read(stream, partition, offset, READ_BYTES);
    for (let i = 0; i < batch.count; i++) {
      const origin = originOf(headerOf(batch, i));
      if (origin?.capture !== capture) continue;
      const place = { incarnation: origin.incarnation, lsn: BigInt(origin.lsn), index: origin.index };
      if (!newest || isBehind(place, newest)) newest = place;
    }
    offset = batch.next;
  }
  return newest;
}

/** Whether `place` comes after `other`. */
export function isBehind(place: ChangePlace, other: ChangePlace): boolean {
  if (place.incarnation !== other.incarnation) return place.incarnation > other.incarnation;
  return place.lsn === other.lsn ? place.index > other.index : place.lsn > other.lsn;
}

function originOf(header: Uint8Array): MessageOrigin | undefined {
  const text = decoder.decode(header);
  if (!text.includes('"origin":{"capture":')) return undefined;
  try {
    return (JSON.parse(text) as { origin?: MessageOrigin }).origin;
  } catch {
    return undefined; // written by no door of ours
  }
}
