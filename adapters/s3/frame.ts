/**
 * The container of everything that the log stores: a header (JSON) and a body (bytes), each with its SHA-256, so that
 * a header can be read and trusted without its body. Little-endian:
 *
 * | bytes | what |
 * |---|---|
 * | 8 | `MUARAS31` |
 * | 4, 4 | length of header and body |
 * | 32 | SHA-256 of the body |
 * | 32 | SHA-256 of all bytes before this and of the header |
 * | … | header, body |
 */
import { isEqual } from "../../core/bytes.ts";
import { MuaraError } from "../../core/errors.ts";

export const FRAME_BYTES = 80;
const MAGIC = Uint8Array.from("MUARAS31", (letter) => letter.charCodeAt(0));
const BODY_DIGEST_AT = 16;
const HEADER_DIGEST_AT = 48;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface Frame {
  readonly header: unknown;
  readonly bodyAt: number;
  readonly bodyBytes: number;
}

export async function encodeFrame(header: unknown, parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const text = encoder.encode(JSON.stringify(header));
  const bodyBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(FRAME_BYTES + text.length + bodyBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, text.length, true);
  view.setUint32(12, bodyBytes, true);
  bytes.set(text, FRAME_BYTES);
  let at = FRAME_BYTES + text.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  bytes.set(await digest(bytes.subarray(FRAME_BYTES + text.length)), BODY_DIGEST_AT);
  bytes.set(await headerDigest(bytes, text.length), HEADER_DIGEST_AT);
  return bytes;
}

/** Bytes from the object's start to the end of its header. @throws log.corrupt */
export function headerEnd(bytes: Uint8Array, path: string): number {
  const isOurs = bytes.length >= FRAME_BYTES && MAGIC.every((byte, i) => bytes[i] === byte);
  if (!isOurs) throw corrupt(path, "is no part of a log of this version");
  return FRAME_BYTES + viewOf(bytes).getUint32(8, true);
}

/** @param bytes the object at least to the end of its header. @throws log.corrupt */
export async function decodeHeader(bytes: Uint8Array, path: string): Promise<Frame> {
  const bodyAt = headerEnd(bytes, path);
  const found = bytes.length < bodyAt ? undefined : await headerDigest(bytes, bodyAt - FRAME_BYTES);
  if (!found || !isEqual(bytes, HEADER_DIGEST_AT, FRAME_BYTES, found))
    throw corrupt(path, "has a damaged header");
  const header: unknown = JSON.parse(decoder.decode(bytes.subarray(FRAME_BYTES, bodyAt)));
  return { header, bodyAt, bodyBytes: viewOf(bytes).getUint32(12, true) };
}

/** The body of a whole object. @throws log.corrupt */
export async function bodyOf(bytes: Uint8Array, frame: Frame, path: string): Promise<Uint8Array> {
  const body = bytes.subarray(frame.bodyAt);
  const isWhole = body.length === frame.bodyBytes;
  if (!isWhole || !isEqual(bytes, BODY_DIGEST_AT, HEADER_DIGEST_AT, await digest(body)))
    throw corrupt(path, "has a damaged body");
  return body;
}

export function corrupt(path: string, what: string): MuaraError {
  return new MuaraError("log.corrupt", `${path} ${what}`, { details: { path } });
}

function headerDigest(bytes: Uint8Array, headerBytes: number): Promise<Uint8Array> {
  const covered = new Uint8Array(HEADER_DIGEST_AT + headerBytes);
  covered.set(bytes.subarray(0, HEADER_DIGEST_AT));
  covered.set(bytes.subarray(FRAME_BYTES, FRAME_BYTES + headerBytes), HEADER_DIGEST_AT);
  return digest(covered);
}

async function digest(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
