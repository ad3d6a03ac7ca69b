/** The built dashboard, read once at start: a few hundred kilobytes. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

interface BuiltFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzip?: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  readonly etag: string;
}

const GZIP = ".gz";

/**
 * Assets lie there compressed (`NAME.gz`) or as they are.
 * @returns files by path below the origin; none where nothing was built
 */
export async function readDashboardFiles(folder: string): Promise<ReadonlyMap<string, BuiltFile>> {
  const assets = await readdir(join(folder, "assets")).catch(() => []);
  const names = ["index.html", ...assets.map((name) => `assets/${name}`)];
  const files = new Map<string, BuiltFile>();
  for (const stored of names) {
    const isCompressed = stored.endsWith(GZIP);
    const name = isCompressed ? stored.slice(0, -GZIP.length) : stored;
    const contentType = TYPES[extname(name)];
    const read = contentType && (await readFile(join(folder, stored)).catch(() => undefined));
    if (!contentType || !read) continue;
    const bytes = isCompressed ? await promisify(gunzip)(read) : read;
    const etag = `"${createHash("sha256").update(bytes).digest("hex").slice(0, 32)}"`;
    files.set(`/${name}`, { bytes, contentType, etag, ...(isCompressed ? { gzip: read } : {}) });
  }
  return files;
}
