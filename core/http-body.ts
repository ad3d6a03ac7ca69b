/**
 * Reading a request body within bounds: bytes are counted after decompression and while they arrive, so that
 * neither a large body nor a small one that inflates (a "gzip bomb") takes more memory than its limit. Web APIs only.
 *
 * Surprising rule: compressed input is handed over in small slices. Some runtimes inflate one chunk completely
 * before the reader sees any of it, and gzip inflates up to 1,032 times.
 */
import type { ByteSupply } from "./byte-pool.ts";
import { concatenate } from "./bytes.ts";
import { MuaraError } from "./errors.ts";

const GZIP_SLICE_BYTES = 2_048;

export interface ReadBodyOptions {
  /** After decompression. */
  readonly maxBytes: number;
  /** Called before more bytes are kept; throws to refuse them. */
  readonly reserve?: (bytes: number) => void;
  /** Of a body whose length was announced. */
  readonly supply?: ByteSupply;
}

/** Fills `target` with a body, as it comes. Rejects where it has another length; undefined where it cannot. */
export type BodyCopier = (target: Uint8Array) => Promise<void> | undefined;

const copiers = new WeakMap<Request, BodyCopier>();

/** For servers that have a body's pieces at hand: nobody has to put them together first. */
export function offerBody(request: Request, copy: BodyCopier): void {
  copiers.set(request, copy);
}

/**
 * The whole body, decompressed.
 * @throws request.encoding, request.too_large, request.malformed for a body that breaks off or is no valid gzip,
 *   and whatever `reserve` throws
 */
export async function readBody(request: Request, options: ReadBodyOptions): Promise<Uint8Array> {
  const isGzip = isGzipEncoded(request.headers.get("content-encoding"));
  const announced = contentLength(request.headers.get("content-length"));
  if (announced !== undefined && announced > options.maxBytes) throw tooLarge(options.maxBytes);
  if (isGzip) return inflate(request, options);
  if (announced === undefined) return collect(request.body, options);
  options.reserve?.(announced);
  const copied = copyOffered(request, announced, options.supply);
  if (copied) return copied;
  const bytes = new Uint8Array(await request.arrayBuffer().catch(brokenOff));
  if (bytes.length > options.maxBytes) throw tooLarge(options.maxBytes);
  return bytes;
}

function copyOffered(
  request: Request,
  length: number,
  supply: ByteSupply | undefined,
): Promise<Uint8Array> | undefined {
  const copy = copiers.get(request);
  if (!copy) return undefined;
  const target = supply?.take(length) ?? new Uint8Array(length);
  return copy(target)?.then(() => target, brokenOff);
}

/** @throws request.encoding for anything but gzip and identity, also for both or one of them twice */
function isGzipEncoded(encoding: string | null): boolean {
  const name = encoding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return false;
  if (name === "gzip" || name === "x-gzip") return true;
  throw new MuaraError("request.encoding", "Content-Encoding is neither gzip nor identity.");
}

function contentLength(header: string | null): number | undefined {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

async function inflate(request: Request, options: ReadBodyOptions): Promise<Uint8Array> {
  if (!request.body) throw new MuaraError("request.malformed", "The body is empty, hence no gzip.");
  const inflated = request.body.pipeThrough(slices()).pipeThrough(new DecompressionStream("gzip"));
  return collect(inflated, options, "The body is not valid gzip, or breaks off.");
}

/** Cuts chunks into small ones. */
function slices(): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  return new TransformStream(
    {
      transform(chunk, controller) {
        for (let at = 0; at < chunk.length; at += GZIP_SLICE_BYTES)
          controller.enqueue(chunk.slice(at, at + GZIP_SLICE_BYTES));
      },
    },
    undefined,
    { highWaterMark: 1 },
  );
}

async function collect(
  stream: ReadableStream<Uint8Array> | null,
  options: ReadBodyOptions,
  brokenReason?: string,
): Promise<Uint8Array> {
  if (!stream) return new Uint8Array(0);
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => brokenOff(cause, brokenReason));
      if (done) return concatenate(chunks, length);
      length += value.length;
      if (length > options.maxBytes) throw tooLarge(options.maxBytes);
      options.reserve?.(value.length);
      chunks.push(value);
    }
  } catch (error) {
    // Nobody waits for the rest; its own failure says nothing new.
    void reader.cancel().catch(() => undefined);
    throw error;
  }
}

function brokenOff(cause: unknown, reason = "The body breaks off."): never {
  throw new MuaraError("request.malformed", reason, { cause });
}

function tooLarge(maxBytes: number): MuaraError {
  return new MuaraError("request.too_large", `The body exceeds ${maxBytes} bytes (limits.bodyBytes).`, {
    details: { limit: maxBytes },
  });
}
