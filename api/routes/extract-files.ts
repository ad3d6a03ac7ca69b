/**
 * Files of an extract (RFC 9110 §14: ranges). Their content never changes, so the ETag is strong and is the SHA-256,
 * which `Repr-Digest` (RFC 9530) says as well. Nothing is compressed on the way: a range must be one of the file.
 */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { ManifestFile } from "../../lake/extract/manifest.ts";
import type { ApiEnv, ApiPorts } from "../context.ts";
import { FeedShelf, notFound } from "../extract-feeds.ts";

const PART_BYTES = 1_048_576;

export function addExtractFileRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const shelf = new FeedShelf(ports);
  app.get("/v1/extracts/:feed/versions/:version/files/:id", async (context) => {
    const open = shelf.open(context);
    const manifest = await shelf.manifest(context, open);
    const id = context.req.param("id");
    const file = manifest.files.find((one) => one.id === id);
    if (!file) throw notFound(`Version ${manifest.version} has no file "${id}".`, { file: id });
    return answer(context.req.raw, open.store.store, open.store.filePath(file.name), file);
  });
}

async function answer(
  request: Request,
  store: ObjectStore,
  path: string,
  file: ManifestFile,
): Promise<Response> {
  const etag = `"${file.sha256}"`;
  const headers = new Headers({
    "content-type": "application/vnd.apache.parquet",
    "content-length": String(file.bytes),
    "accept-ranges": "bytes",
    etag,
    "repr-digest": `sha-256=:${Buffer.from(file.sha256, "hex").toString("base64")}:`,
    "content-disposition": `attachment; filename="${file.name.split("/").at(-1)}"`,
  });
  if (!(await store.head(path))) throw new MuaraError("extract.gone", "The file is no longer kept.");
  if (namesTag(request.headers.get("if-none-match"), etag)) {
    headers.delete("content-length");
    return new Response(null, { status: 304, headers });
  }
  const part = wantedPart(request, etag, file.bytes);
  if (part === "unsatisfiable") {
    headers.set("content-range", `bytes */${file.bytes}`);
    headers.set("content-length", "0");
    return new Response(null, { status: 416, headers });
  }
  const [from, until] = part ?? [0, file.bytes];
  if (part) {
    headers.set("content-range", `bytes ${from}-${until - 1}/${file.bytes}`);
    headers.set("content-length", String(until - from));
  }
  const body = request.method === "HEAD" ? null : toStream(store, path, from, until);
  return new Response(body, { status: part ? 206 : 200, headers });
}

/** One range; several, or what is no range, are ignored, as a server may. @returns [from, until) */
function wantedPart(
  request: Request,
  etag: string,
  bytes: number,
): readonly [number, number] | "unsatisfiable" | undefined {
  const ifRange = request.headers.get("if-range");
  if (request.method !== "GET" || (ifRange !== null && ifRange !== etag)) return undefined;
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(request.headers.get("range") ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  if (first === "")
    return last === "0" || Number(last) === 0 ? "unsatisfiable" : [Math.max(0, bytes - Number(last)), bytes];
  const until = last === "" ? bytes : Math.min(bytes, Number(last) + 1);
  if (last !== "" && Number(last) < Number(first)) return undefined;
  return Number(first) >= bytes ? "unsatisfiable" : [Number(first), until];
}

/** If-None-Match compares weakly (RFC 9110 §13.1.2). */
function namesTag(header: string | null, etag: string): boolean {
  if (header === null) return false;
  return header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}

function toStream(store: ObjectStore, path: string, from: number, until: number): ReadableStream<Uint8Array> {
  let at = from;
  return new ReadableStream({
    pull: async (controller) => {
      if (at >= until) return controller.close();
      const bytes = await store.getRange(path, at, Math.min(PART_BYTES, until - at));
      // It went while it was read: the connection breaks, and the next request is told why.
      if (!bytes || bytes.length === 0) return controller.error(cut());
      at += bytes.length;
      controller.enqueue(bytes);
    },
  });
}

/** The server prints what it is given here, so that is one line. */
function cut(): Error {
  const error = new Error("a file of an extract was cut off");
  delete error.stack;
  return error;
}
