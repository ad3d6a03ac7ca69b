/** The built dashboard, read once at start: a few hundred kilobytes. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";

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

/** @returns files by path below the origin; none where nothing was built */
export async function readDashboardFiles(folder: string): Promise<ReadonlyMap<string, BuiltFile>> {
  const assets = await readdir(join(folder, "assets")).catch(() => []);
  const names = ["index.html", ...assets.map((name) => `assets/${name}`)];
  const files = new Map<string, BuiltFile>();
  for (const name of names) {
    const contentType = TYPES[extname(name)];
    const bytes = contentType && (await readFile(join(folder, name)).catch(() => undefined));
    if (!contentType || !bytes) continue;
    const gzip = await readFile(join(folder, `${name}.gz`)).catch(() => undefined);
    const etag = `"${createHash("sha256").update(bytes).digest("hex").slice(0, 32)}"`;
    files.set(`/${name}`, { bytes, contentType, etag, ...(gzip ? { gzip } : {}) });
  }
  return files;
}
