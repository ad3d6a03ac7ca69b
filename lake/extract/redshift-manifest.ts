/**
 * Redshift's own list of files for COPY … MANIFEST, beside the version that it belongs to. It is only of use, and
 * only written, where the files have an address on S3. Its name carries a hash of the files, so that of two processes
 * that make the same version neither writes over what the other's names.
 */
import { createHash } from "node:crypto";
import type { FeedStore } from "./feed-store.ts";
import { versionText } from "./feed-store.ts";
import type { Manifest } from "./manifest.ts";

/** Below the feed's folder. */
export function redshiftManifestName(manifest: Manifest): string {
  const files = JSON.stringify(manifest.files.map(({ name, bytes }) => [name, bytes]));
  const hash = createHash("sha256").update(files).digest("hex").slice(0, 16);
  return `_redshift/${versionText(manifest.version)}-${hash}.json`;
}

/** As Redshift's documentation has it; Parquet needs `content_length`. @param addressOf a file's name */
export function redshiftManifest(manifest: Manifest, addressOf: (name: string) => string): string {
  const entries = manifest.files.map(({ name, bytes }) => ({
    url: addressOf(name),
    mandatory: true,
    meta: { content_length: bytes },
  }));
  return `${JSON.stringify({ entries }, null, 1)}\n`;
}

export async function writeRedshiftManifest(feedStore: FeedStore, manifest: Manifest): Promise<void> {
  const { store } = feedStore;
  const isOnS3 = store.location(feedStore.path("x")).startsWith("s3://");
  if (!isOnS3 || manifest.files.length === 0) return;
  const text = redshiftManifest(manifest, (name) => store.location(feedStore.filePath(name)));
  await store.put(feedStore.path(redshiftManifestName(manifest)), Buffer.from(text));
}
