/**
 * ObjectStore on S3 and what speaks its protocol. Conditional writes are `If-None-Match: *` and `If-Match`; what is
 * repeated where no answer comes is in requests.ts. Large objects go in parts (multipart.ts); a commit never does, so
 * that it is one request with one outcome.
 */
import { assert } from "../../core/assert.ts";
import { type Clock, type Randomness, systemClock, systemRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ByteSource, ObjectStore, PutOutcome, StoredObject } from "../../core/ports/object-store.ts";
import {
  checkReadPath,
  checkStorePath,
  checkStorePrefix,
  isStorePath,
  joinStorePath,
} from "../../core/store-path.ts";
import type { S3Address, S3Credentials } from "./address.ts";
import { S3Client, type S3Request } from "./client.ts";
import { abortStaleUploads, PART_BYTES_MIN, putInParts } from "./multipart.ts";
import { S3Requests } from "./requests.ts";
import { elementOf, elementsOf } from "./xml.ts";

const PART_BYTES = 8_388_608;
const PARALLEL_PARTS = 2;
const PRESIGNED_SECONDS_MAX = 604_800;

export interface S3ObjectStoreOptions {
  readonly address: S3Address;
  readonly credentials: S3Credentials;
  readonly clock?: Clock;
  readonly randomness?: Randomness;
  /** Objects longer than two parts go in parts of so many bytes; at least S3's own 5 MiB. */
  readonly partBytes?: number;
  /** Parts of an object that travel at once, and are in memory. */
  readonly parallelParts?: number;
}

export interface S3ObjectStore extends ObjectStore {
  putFrom(path: string, source: ByteSource): Promise<void>;
  presign(path: string, expiresMs: number): Promise<string>;
  folders(prefix: string): Promise<readonly string[]>;
  /** Ends uploads in parts. */
  clearLeftovers(begunBeforeMs: number): Promise<number>;
}

export function createS3ObjectStore(options: S3ObjectStoreOptions): S3ObjectStore {
  return new Store(options);
}

class Store implements S3ObjectStore {
  readonly #client: S3Client;
  readonly #requests: S3Requests;
  readonly #address: S3Address;
  readonly #randomness: Randomness;
  readonly #partBytes: number;
  readonly #parallelParts: number;

  constructor(options: S3ObjectStoreOptions) {
    const { address, credentials, clock = systemClock, randomness = systemRandomness } = options;
    this.#address = address;
    this.#client = new S3Client(address, credentials);
    this.#requests = new S3Requests({ client: this.#client, clock, randomness });
    this.#randomness = randomness;
    this.#partBytes = Math.max(options.partBytes ?? PART_BYTES, PART_BYTES_MIN);
    this.#parallelParts = options.parallelParts ?? PARALLEL_PARTS;
  }

  location(path: string): string {
    const { bucket, prefix } = this.#address;
    return `s3://${bucket}/${joinStorePath(prefix, path === "" ? "" : checkReadPath(path))}`;
  }

  async presign(path: string, expiresMs: number): Promise<string> {
    const seconds = Math.floor(expiresMs / 1_000);
    assert(seconds >= 1 && seconds <= PRESIGNED_SECONDS_MAX, "an address is signed for 1 s to 7 days");
    return this.#client.presign(this.#readKeyOf(path), seconds);
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    const key = this.#keyOf(path);
    if (bytes.length > 2 * this.#partBytes)
      return this.#putInParts(key, {
        bytes: bytes.length,
        read: async (at, length) => bytes.slice(at, at + length),
      });
    const response = await this.#requests.repeatable({ method: "PUT", key, body: bytes.slice() }, path);
    if (response.status >= 300)
      throw new MuaraError("store.unavailable", `S3 answered ${response.status} to PUT ${path}`);
  }

  async putFrom(path: string, source: ByteSource): Promise<void> {
    if (source.bytes > 2 * this.#partBytes) return this.#putInParts(this.#keyOf(path), source);
    return this.put(path, await source.read(0, source.bytes));
  }

  #putInParts(key: string, source: ByteSource): Promise<void> {
    const services = {
      requests: this.#requests,
      randomness: this.#randomness,
      partBytes: this.#partBytes,
      parallelParts: this.#parallelParts,
    };
    return putInParts(services, key, source);
  }

  putIfAbsent(path: string, bytes: Uint8Array): Promise<PutOutcome> {
    return this.#putIf(path, bytes, { "if-none-match": "*" });
  }

  putIfMatch(path: string, bytes: Uint8Array, etag: string): Promise<PutOutcome> {
    return this.#putIf(path, bytes, { "if-match": etag });
  }

  async #putIf(path: string, bytes: Uint8Array, headers: Record<string, string>): Promise<PutOutcome> {
    const request: S3Request = { method: "PUT", key: this.#keyOf(path), body: bytes.slice(), headers };
    return this.#requests.conditional(request, path);
  }

  async get(path: string): Promise<Uint8Array | undefined> {
    const response = await this.#requests.repeatable({ method: "GET", key: this.#readKeyOf(path) }, path);
    return response.status === 404 ? undefined : response.body;
  }

  async getRange(path: string, at: number, length: number): Promise<Uint8Array | undefined> {
    if (length === 0) return (await this.head(path)) && new Uint8Array(0);
    const headers = { range: `bytes=${at}-${at + length - 1}` };
    const response = await this.#requests.repeatable(
      { method: "GET", key: this.#readKeyOf(path), headers },
      path,
    );
    if (response.status === 404) return undefined;
    if (response.status === 416) return new Uint8Array(0); // begins behind the object's end
    // A server may send the whole object instead of the part.
    return response.status === 200 ? response.body.slice(at, at + length) : response.body;
  }

  async head(path: string): Promise<(StoredObject & { readonly etag: string }) | undefined> {
    const key = this.#readKeyOf(path);
    const { status, headers } = await this.#requests.repeatable({ method: "HEAD", key }, path);
    if (status === 404) {
      // A HEAD has no body that would say whether it is the bucket that is missing; a GET throws then.
      await this.#requests.repeatable({ method: "GET", key, headers: { range: "bytes=0-0" } }, path);
      return undefined;
    }
    return {
      path,
      bytes: Number(headers.get("content-length")),
      modifiedMs: wholeSeconds(headers.get("last-modified") ?? ""),
      etag: headers.get("etag") ?? "",
    };
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    const found: StoredObject[] = [];
    for await (const text of this.#pages(prefix, {})) {
      for (const entry of elementsOf(text, "Contents")) {
        const listed = this.#listed(entry);
        if (listed) found.push(listed);
      }
    }
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async folders(prefix: string): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const text of this.#pages(prefix, { delimiter: "/" })) {
      for (const entry of elementsOf(text, "CommonPrefixes")) {
        const path = this.#pathOf((elementOf(entry, "Prefix") ?? "").replace(/\/$/, ""));
        if (isStorePath(path)) found.push(path);
      }
    }
    return found.sort();
  }

  /** Pages of a listing, as XML. */
  async *#pages(prefix: string, more: Readonly<Record<string, string>>): AsyncGenerator<string> {
    const folder = joinStorePath(this.#address.prefix, checkStorePrefix(prefix)).replace(/\/$/, "");
    const asked = { "list-type": "2", ...(folder === "" ? {} : { prefix: `${folder}/` }), ...more };
    let token: string | undefined;
    do {
      const query = token === undefined ? asked : { ...asked, "continuation-token": token };
      const response = await this.#requests.repeatable({ method: "GET", key: "", query }, `list ${prefix}`);
      const text = new TextDecoder().decode(response.body);
      // Half a list taken for a whole one would make files orphans, and orphans are deleted.
      if (response.status !== 200 || !text.trimEnd().endsWith("</ListBucketResult>"))
        throw new MuaraError("store.unavailable", `S3 gave no whole list of ${prefix}`);
      yield text;
      token = elementOf(text, "NextContinuationToken");
    } while (token !== undefined);
  }

  /** One entry of a listing; undefined for what is none of ours, as markers of folders. */
  #listed(entry: string): StoredObject | undefined {
    const path = this.#pathOf(elementOf(entry, "Key") ?? "");
    if (!isStorePath(path)) return undefined;
    const modifiedMs = wholeSeconds(elementOf(entry, "LastModified") ?? "");
    return { path, bytes: Number(elementOf(entry, "Size")), modifiedMs };
  }

  async delete(path: string): Promise<void> {
    await this.#requests.repeatable({ method: "DELETE", key: this.#keyOf(path) }, path);
  }

  clearLeftovers(begunBeforeMs: number): Promise<number> {
    return abortStaleUploads(this.#requests, this.#address.prefix, begunBeforeMs);
  }

  #keyOf(path: string): string {
    return joinStorePath(this.#address.prefix, checkStorePath(path));
  }

  #readKeyOf(path: string): string {
    return joinStorePath(this.#address.prefix, checkReadPath(path));
  }

  #pathOf(key: string): string {
    const { prefix } = this.#address;
    return prefix === "" ? key : key.slice(prefix.length + 1);
  }
}

/** Listings may be finer than headers; both must say the same. */
function wholeSeconds(time: string): number {
  return Math.floor(Date.parse(time) / 1_000) * 1_000;
}
