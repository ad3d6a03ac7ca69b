/**
 * Files of an extract. Their content never changes, so the ETag is strong and is the SHA-256, which `Repr-Digest`
 * (RFC 9530) says as well. Nothing is compressed on the way: a range must be one of the file.
 */
import type { Hono } from "hono";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { ApiEnv, ApiPorts } from "../context.ts";
import { FeedShelf, notFound } from "../extract-feeds.ts";
import { rangedFile } from "../ranged-file.ts";

export function addExtractFileRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const shelf = new FeedShelf(ports);
  app.get("/v1/extracts/:feed/versions/:version/files/:id", async (context) => {
    const open = shelf.open(context);
    const manifest = await shelf.manifest(context, open);
    const id = context.req.param("id");
    const file = manifest.files.find((one) => one.id === id);
    if (!file) throw notFound(`Version ${manifest.version} has no file "${id}".`, { file: id });
    try {
      const answer = await rangedFile(open.store.store, open.store.filePath(file.name), {
        method: context.req.method,
        range: context.req.header("range"),
        ifRange: context.req.header("if-range"),
        ifNoneMatch: context.req.header("if-none-match"),
        contentType: "application/vnd.apache.parquet",
        etag: `"${file.sha256}"`,
        headers: {
          "repr-digest": `sha-256=:${Buffer.from(file.sha256, "hex").toString("base64")}:`,
          "content-disposition": `attachment; filename="${file.name.split("/").at(-1)}"`,
        },
      });
      const { version, full: isFull } = manifest;
      if (context.req.method === "GET" && answer.ok)
        await shelf.fetched(context, open, { version, isFull, what: `file.${id}` });
      return answer;
    } catch (error) {
      if (!hasCode(error, "request.not_found")) throw error;
      throw new MuaraError("extract.gone", "The file is no longer kept: its window has a newer revision.");
    }
  });
}
