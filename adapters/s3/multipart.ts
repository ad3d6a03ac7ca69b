/**
 * Large objects in parts: a part that is lost is sent again, not the object, and several travel at once. The object
 * appears whole when the upload is completed, never before. In memory are only the parts that travel.
 *
 * An upload carries an id of its own as the object's metadata. Where the answer to its completion is lost, the repeat
 * finds no such upload, and only the object itself can say whose it is.
 */
import type { Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ByteSource } from "../../core/ports/object-store.ts";
import type { S3Request } from "./client.ts";
import type { S3Requests } from "./requests.ts";
import { elementOf, elementsOf } from "./xml.ts";

/** S3's own least size of a part, but for the last. */
export const PART_BYTES_MIN = 5_242_880;
const PARTS_MAX = 10_000;
const OWN_ID = "x-amz-meta-muara-upload";

export interface MultipartServices {
  readonly requests: S3Requests;
  readonly randomness: Randomness;
  /** Bytes of a part; larger where an object would have more parts than S3 allows. */
  readonly partBytes: number;
  /** Parts that travel at once. */
  readonly parallelParts: number;
}

/** @throws store.unavailable where it is not known to be done; nothing of it is visible then, or all */
export async function putInParts(
  { requests, randomness, partBytes, parallelParts }: MultipartServices,
  key: string,
  source: ByteSource,
): Promise<void> {
  const ownId = randomness.uuid();
  const begin: S3Request = { method: "POST", key, query: { uploads: "" }, headers: { [OWN_ID]: ownId } };
  const begun = await requests.repeatable(begin, key);
  const uploadId = elementOf(new TextDecoder().decode(begun.body), "UploadId");
  if (uploadId === undefined) throw new MuaraError("store.unavailable", `S3 began no upload of ${key}`);
  try {
    const size = Math.max(partBytes, Math.ceil(source.bytes / PARTS_MAX));
    const etags = await sendParts(requests, key, uploadId, source, size, parallelParts);
    await complete(requests, key, uploadId, etags, ownId);
  } catch (error) {
    // What stays costs storage until `abortStaleUploads` or the bucket's own rule ends it; it is never visible.
    await requests.repeatable({ method: "DELETE", key, query: { uploadId } }, key).catch(() => undefined);
    throw error;
  }
}

async function sendParts(
  requests: S3Requests,
  key: string,
  uploadId: string,
  source: ByteSource,
  partBytes: number,
  parallelParts: number,
): Promise<readonly string[]> {
  const count = Math.ceil(source.bytes / partBytes);
  const etags = Array.from({ length: count }, () => "");
  let next = 0;
  const send = async (): Promise<void> => {
    while (next < count) {
      const part = next++;
      const query = { partNumber: String(part + 1), uploadId };
      try {
        const at = part * partBytes;
        const body = await source.read(at, Math.min(partBytes, source.bytes - at));
        const sent = await requests.repeatable(
          { method: "PUT", key, query, body },
          `${key}, part ${part + 1}`,
        );
        if (sent.status === 404) throw new MuaraError("store.unavailable", `S3 lost the upload of ${key}`);
        etags[part] = sent.headers.get("etag") ?? "";
      } catch (error) {
        next = count; // the others stop as well
        throw error;
      }
    }
  };
  const senders = await Promise.allSettled(Array.from({ length: parallelParts }, send));
  for (const sender of senders) if (sender.status === "rejected") throw sender.reason;
  return etags;
}

async function complete(
  requests: S3Requests,
  key: string,
  uploadId: string,
  etags: readonly string[],
  ownId: string,
): Promise<void> {
  const parts = etags.map((etag, part) => {
    return `<Part><PartNumber>${part + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`;
  });
  const body = new TextEncoder().encode(
    `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`,
  );
  const answer = await requests.repeatable({ method: "POST", key, query: { uploadId }, body }, key);
  if (answer.status < 300) return;
  const there = await requests.repeatable({ method: "HEAD", key }, key);
  if (there.status < 300 && there.headers.get(OWN_ID) === ownId) return;
  throw new MuaraError("store.unavailable", `S3 lost the upload of ${key}`);
}

/**
 * Ends uploads that nobody will complete: their process was killed. Younger ones may be going on elsewhere.
 * @param folder "" for the whole bucket
 * @returns how many
 */
export async function abortStaleUploads(
  requests: S3Requests,
  folder: string,
  begunBeforeMs: number,
): Promise<number> {
  let aborted = 0;
  let marker: Readonly<Record<string, string>> | undefined = {};
  while (marker !== undefined) {
    const query = { uploads: "", ...(folder === "" ? {} : { prefix: `${folder}/` }), ...marker };
    const answer = await requests.repeatable({ method: "GET", key: "", query }, folder);
    const text = new TextDecoder().decode(answer.body);
    for (const upload of elementsOf(text, "Upload")) {
      const [key, uploadId] = [elementOf(upload, "Key"), elementOf(upload, "UploadId")];
      const begunMs = Date.parse(elementOf(upload, "Initiated") ?? "");
      if (key === undefined || uploadId === undefined || !(begunMs < begunBeforeMs)) continue;
      await requests.repeatable({ method: "DELETE", key, query: { uploadId } }, key);
      aborted++;
    }
    const [nextKey, nextId] = [elementOf(text, "NextKeyMarker"), elementOf(text, "NextUploadIdMarker")];
    const isMore = elementOf(text, "IsTruncated") === "true" && nextKey !== undefined && nextKey !== "";
    marker = isMore ? { "key-marker": nextKey, "upload-id-marker": nextId ?? "" } : undefined;
  }
  return aborted;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
