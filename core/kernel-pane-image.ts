/**
 * What a state image of panes holds (kernel-image.ts): where watermark and release stand, then sections of whole keys
 * in byte order, of about 1 MiB so that neither side needs the keys twice in the kernel's memory. Where a section ends
 * follows from its keys alone, so equal state gives equal bytes.
 */
import { PANES_NO_MEMORY } from "./kernel-abi.ts";
import { IMAGE_PANES, decodeImage, encodeImage, refuseImage, type ImageKind } from "./kernel-image.ts";
import type { KernelMemory } from "./kernel-memory.ts";

const VERSION = 1;
const SECTION_BYTES = 1 << 20;
/** Watermark, next end, cursor, whether pending, keys, cells. */
const STATE_BYTES = 32;
/** Before each section. */
const LENGTH_BYTES = 8;

/** The declaration, in words of 8 bytes. */
function kindOf(description: Uint8Array): ImageKind {
  const padded = new Uint8Array(Math.ceil(description.length / 8) * 8);
  padded.set(description);
  const view = new DataView(padded.buffer);
  const words = Array.from({ length: padded.length / 8 }, (_, i) => view.getBigInt64(i * 8, true));
  const parameters = [BigInt(description.length), ...words];
  return { operator: IMAGE_PANES, name: "panes", version: VERSION, parameters };
}

/** @param handle of the panes */
export function writePaneImage(
  memory: KernelMemory,
  handle: number,
  description: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const { exports } = memory;
  const keyCount = exports.panesKeys(handle) >>> 0;
  const state = new Uint8Array(STATE_BYTES);
  const view = new DataView(state.buffer);
  view.setBigInt64(0, exports.panesWatermark(handle), true);
  view.setBigInt64(8, exports.panesNextEnd(handle), true);
  view.setUint32(16, exports.panesCursor(handle), true);
  view.setUint32(20, exports.panesPending(handle), true);
  view.setUint32(24, keyCount, true);
  view.setUint32(28, exports.panesCells(handle), true);
  const parts = [state];
  for (let from = 0; from < keyCount;) {
    const room = Math.max(SECTION_BYTES, exports.paneKeyBytes(handle, from) >>> 0);
    const [out] = memory.place(room);
    const length = exports.exportPanes(handle, from, room, out) >>> 0;
    const section = new Uint8Array(LENGTH_BYTES + length);
    new DataView(section.buffer).setUint32(0, length, true);
    section.set(memory.bytes(out, length), LENGTH_BYTES);
    from = exports.panesExported() >>> 0;
    parts.push(section);
  }
  return encodeImage(memory, kindOf(description), parts);
}

/**
 * Fills panes that are new. They may take an eighth more than `maxBytes` at first; then nothing is added before some
 * of them have left.
 * @throws kernel.image, kernel.memory; then they are good for nothing but `destroyPanes`
 */
export function readPaneImage(
  memory: KernelMemory,
  handle: number,
  description: Uint8Array,
  image: Uint8Array,
  maxBytes: number,
): void {
  const kind = kindOf(description);
  const content = decodeImage(memory, kind, image);
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  if (content.length < STATE_BYTES) throw refuseImage(kind, "is cut off", image);
  const keyCount = view.getUint32(24, true);
  if (!memory.exports.reservePanes(handle, keyCount, view.getUint32(28, true))) throw memory.exhausted();
  for (let at = STATE_BYTES; at < content.length;) {
    const length = at + LENGTH_BYTES > content.length ? content.length : view.getUint32(at, true);
    at += LENGTH_BYTES + length;
    if (at > content.length) throw refuseImage(kind, "is cut off", image);
    const [from] = memory.place(length);
    memory.bytes(from, length).set(content.subarray(at - length, at));
    const status = memory.exports.importPanes(handle, from, length);
    if (status === PANES_NO_MEMORY) throw memory.exhausted();
    if (status !== 0) throw refuseImage(kind, "has keys that contradict each other", image);
  }
  if (memory.exports.panesKeys(handle) !== keyCount) throw refuseImage(kind, "is cut off", image);
  const isWithin = memory.exports.resumePanes(
    handle,
    view.getBigInt64(0, true),
    view.getBigInt64(8, true),
    view.getUint32(16, true),
    view.getUint32(20, true),
    maxBytes,
  );
  if (!isWithin) throw memory.exhausted();
}
