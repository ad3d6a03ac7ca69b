/**
 * State images of kernel operators as bytes: what it is an image of, then the operator's own content, then a checksum.
 * Equal state gives equal bytes, so an image can be compared and stored under its digest.
 *
 * Layout, little endian: 8 bytes `muara si`, u32 version of this layout, u32 operator, u32 version of the operator's
 * content, u32 number of parameters; i64 each parameter; u64 length of the content; the content; 16 bytes checksum.
 */
import { isEqual } from "./bytes.ts";
import { MuaraError } from "./errors.ts";
import type { KernelMemory } from "./kernel-memory.ts";

const MAGIC = new TextEncoder().encode("muara si");
const LAYOUT_VERSION = 1;
const HEADING_BYTES = 24;
const CHECKSUM_BYTES = 16;
/** A checksum finds damage, not malice: its key is no secret. */
const CHECKSUM_KEY = Uint8Array.from({ length: 16 }, (_, i) => i);
/** Hashed per call of the kernel. */
const CHUNK = 1 << 20;

export interface ImageKind {
  /** Never used again for something else. */
  readonly operator: number;
  readonly name: string;
  readonly version: number;
  /** Whatever must be the same for the content to mean the same. */
  readonly parameters: readonly bigint[];
}

export const IMAGE_REORDER = 1;
export const IMAGE_TIMERS = 2;
export const IMAGE_PANES = 3;

/** @param content [part][byte] from the operator, one behind the other; not kept */
export function encodeImage(
  memory: KernelMemory,
  kind: ImageKind,
  content: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const contentAt = HEADING_BYTES + kind.parameters.length * 8 + 8;
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const image = new Uint8Array(contentAt + length + CHECKSUM_BYTES);
  const view = new DataView(image.buffer);
  image.set(MAGIC);
  view.setUint32(8, LAYOUT_VERSION, true);
  view.setUint32(12, kind.operator, true);
  view.setUint32(16, kind.version, true);
  view.setUint32(20, kind.parameters.length, true);
  kind.parameters.forEach((parameter, i) => view.setBigInt64(HEADING_BYTES + i * 8, parameter, true));
  view.setBigUint64(contentAt - 8, BigInt(length), true);
  let at = contentAt;
  for (const part of content) {
    image.set(part, at);
    at += part.length;
  }
  image.set(checksum(memory, image.subarray(0, at)), at);
  return image;
}

/** @param reason a predicate */
export function refuseImage(kind: ImageKind, reason: string, image: Uint8Array): MuaraError {
  return new MuaraError("kernel.image", `This state image cannot be used for ${kind.name}: it ${reason}.`, {
    details: { operator: kind.name, bytes: image.length },
  });
}

/**
 * @returns the content, a view
 * @throws kernel.image where it is damaged or an image of something else
 */
export function decodeImage(memory: KernelMemory, kind: ImageKind, image: Uint8Array): Uint8Array {
  const refuse = (reason: string): MuaraError => refuseImage(kind, reason, image);
  if (image.length < HEADING_BYTES + 8 + CHECKSUM_BYTES || !isEqual(image, 0, 8, MAGIC))
    throw refuse("is no state image");
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const layout = view.getUint32(8, true);
  if (layout !== LAYOUT_VERSION) throw refuse(`has layout version ${layout}, not ${LAYOUT_VERSION}`);
  const end = image.length - CHECKSUM_BYTES;
  if (!isEqual(image, end, image.length, checksum(memory, image.subarray(0, end))))
    throw refuse("is damaged: its checksum does not match");
  if (view.getUint32(12, true) !== kind.operator) throw refuse("is of another operator");
  const version = view.getUint32(16, true);
  if (version !== kind.version) throw refuse(`has version ${version}, not ${kind.version}`);
  const count = view.getUint32(20, true);
  const hasSame =
    count === kind.parameters.length &&
    kind.parameters.every((parameter, i) => view.getBigInt64(HEADING_BYTES + i * 8, true) === parameter);
  if (!hasSame) throw refuse("was made with other parameters");
  const contentAt = HEADING_BYTES + count * 8 + 8;
  if (view.getBigUint64(contentAt - 8, true) !== BigInt(end - contentAt)) throw refuse("is cut off");
  return image.subarray(contentAt, end);
}

/** SipHash-2-4-128 of the digest so far and the next chunk, from the first chunk to the last. */
function checksum(memory: KernelMemory, bytes: Uint8Array): Uint8Array {
  let digest = new Uint8Array(CHECKSUM_BYTES);
  for (let from = 0; from < bytes.length; from += CHUNK) {
    const chunk = bytes.subarray(from, from + CHUNK);
    const [key, out, text] = memory.place(16, CHECKSUM_BYTES, CHECKSUM_BYTES + chunk.length);
    memory.bytes(key, 16).set(CHECKSUM_KEY);
    memory.bytes(text, CHECKSUM_BYTES).set(digest);
    memory.bytes(text + CHECKSUM_BYTES, chunk.length).set(chunk);
    memory.exports.hashBytes(text, CHECKSUM_BYTES + chunk.length, key, out, 1);
    digest = memory.bytes(out, CHECKSUM_BYTES).slice();
  }
  return digest;
}
