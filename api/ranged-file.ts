/**
 * One immutable object of a store over HTTP: whole, or one range of bytes (RFC 9110 §14), read in pieces, so that its
 * size is no matter. Several ranges at once are answered with the whole, which the RFC allows.
 */
import { MuaraError } from "../core/errors.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";

const PIECE_BYTES = 1_048_576;

export interface FileRequest {
  /** HEAD gets the headers alone. */
  readonly method: string;
  /** The header `Range`. */
  readonly range: string | undefined;
  readonly contentType: string;
  /** A strong one that says more than the store's; given, `ifRange` and `ifNoneMatch` are held against it. */
  readonly etag?: string;
  /** The headers `If-Range` and `If-None-Match`. */
  readonly ifRange?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  /** More headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** @throws request.not_found */
export async function rangedFile(store: ObjectStore, path: string, request: FileRequest): Promise<Response> {
  const found = await store.head(path);
  if (!found) throw new MuaraError("request.not_found", "The file is no longer there.");
  const { bytes, etag } = found;
  const headers = new Headers({
    "content-type": request.contentType,
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
    etag: request.etag ?? `"${etag.replaceAll('"', "")}"`,
    ...request.headers,
  });
  if (isKnown(request)) return new Response(null, { status: 304, headers });
  const isSame = request.ifRange === undefined || request.ifRange === request.etag;
  const range = rangeOf(isSame && request.method === "GET" ? request.range : undefined, bytes);
  if (range === "unsatisfiable") {
    headers.set("content-range", `bytes */${bytes}`);
    return new Response(null, { status: 416, headers });
  }
  const [first, last] = range ?? [0, bytes - 1];
  headers.set("content-length", String(last - first + 1));
  if (range) headers.set("content-range", `bytes ${first}-${last}/${bytes}`);
  const body = request.method === "HEAD" ? null : pieces(store, path, first, last + 1);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** If-None-Match compares weakly (RFC 9110 §13.1.2). */
function isKnown({ etag, ifNoneMatch }: FileRequest): boolean {
  if (etag === undefined || ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}

/** First and last byte, both included; undefined: the whole. */
function rangeOf(
  header: string | undefined,
  bytes: number,
): readonly [number, number] | "unsatisfiable" | undefined {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "") ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return undefined;
  if (from === "") {
    const length = Math.min(Number(to), bytes);
    return length === 0 ? "unsatisfiable" : [bytes - length, bytes - 1];
  }
  const first = Number(from);
  if (to !== "" && Number(to) < first) return undefined;
  return first >= bytes ? "unsatisfiable" : [first, to === "" ? bytes - 1 : Math.min(Number(to), bytes - 1)];
}

function pieces(store: ObjectStore, path: string, from: number, to: number): ReadableStream<Uint8Array> {
  let at = from;
  return new ReadableStream(
    {
      pull: async (controller) => {
        if (at >= to) return controller.close();
        const piece = await store.getRange(path, at, Math.min(PIECE_BYTES, to - at));
        // The status has been sent: only a broken connection says that this is not the whole.
        if (!piece || piece.length === 0)
          return controller.error(new Error("a file was removed while it was read"));
        at += piece.length;
        controller.enqueue(piece);
        if (at >= to) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
