/** Lines of a stream of bytes, each within a bound: what goes beyond it is dropped, and the line says so. */
import { concatenate } from "../../core/bytes.ts";

const LINE_FEED = 0x0a;

export interface Line {
  /** Without the line break; of a line that is too long, its beginning. */
  readonly bytes: Uint8Array;
  readonly isCut: boolean;
}

/** @yields lines that are not empty; what follows the last line break is no line */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let isCut = false;
  const keep = (part: Uint8Array): void => {
    const room = maxBytes - length;
    if (part.length > room) isCut = true;
    const kept = part.subarray(0, room);
    if (kept.length === 0) return;
    parts.push(kept);
    length += kept.length;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, from);
      keep(chunk.subarray(from, end < 0 ? chunk.length : end));
      if (end < 0) break;
      from = end + 1;
      if (length > 0) yield { bytes: concatenate(parts, length), isCut };
      parts = [];
      length = 0;
      isCut = false;
    }
  }
}
