/**
 * ObjectStore on S3 and what speaks its protocol. Conditional writes are `If-None-Match: *` and `If-Match`.
 *
 * Which answer means what (AWS's documentation, and research on other servers): 412 is settled, the condition did not
 * hold; 404 to `If-Match` as well, there is nothing to match; 409 settles nothing, a race is under way, so the same
 * request is sent again; a timeout, a reset and 5xx are unknown. Other 4xx say that the request was not carried out.
 */
import { type Clock, type Randomness, systemClock, systemRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore, PutOutcome, StoredObject } from "../../core/ports/object-store.ts";
import { checkStorePath, checkStorePrefix, isStorePath, joinStorePath } from "../../core/store-path.ts";
import type { S3Address, S3Credentials } from "./address.ts";
import { S3Client, type S3Request, type S3Response } from "./client.ts";

/** Reads and other harmless calls are tried this often. */
const READ_ATTEMPTS = 4;
/** A race (409) is over within a few answers. */
const RACE_ATTEMPTS = 8;
const PAUSE_MS = 50;

export interface S3ObjectStoreOptions {
  readonly address: S3Address;
  readonly credentials: S3Credentials;
  readonly clock?: Clock;
  readonly randomness?: Randomness;
}

export function createS3ObjectStore(options: S3ObjectStoreOptions): ObjectStore {
  return new S3ObjectStore(options);
}

class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #address: S3Address;
  readonly #clock: Clock;
  readonly #randomness: Randomness;

  constructor(options: S3ObjectStoreOptions) {
    this.#address = options.address;
    this.#client = new S3Client(options.address, options.credentials);
    this.#clock = options.clock ?? systemClock;
    this.#randomness = options.randomness ?? systemRandomness;
  }

  location(path: string): string {
    return `s3://${this.#address.bucket}/${joinStorePath(this.#address.prefix, checkStorePrefix(path))}`;
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    const response = await this.#once({ method: "PUT", key: this.#keyOf(path), body: bytes });
    if (response.status !== 200) throw unavailable("PUT", path, response);
  }

  putIfAbsent(path: string, bytes: Uint8Array): Promise<PutOutcome> {
    return this.#putIf(path, bytes, { "if-none-match": "*" });
  }

  putIfMatch(path: string, bytes: Uint8Array, etag: string): Promise<PutOutcome> {
    return this.#putIf(path, bytes, { "if-match": etag });
  }

  async #putIf(path: string, bytes: Uint8Array, headers: Record<string, string>): Promise<PutOutcome> {
    const key = this.#keyOf(path);
    const body = bytes.slice();
    for (let attempt = 1; ; attempt++) {
      let response: S3Response;
      try {
        response = await this.#client.send({ method: "PUT", key, body, headers });
      } catch (cause) {
        return { outcome: "unknown", cause };
      }
      const { status } = response;
      if (status === 200) return { outcome: "done", etag: response.headers.get("etag") ?? "" };
      if (status === 412 || (status === 404 && "if-match" in headers && isMissingKey(response)))
        return { outcome: "refused" };
      const cause = unavailable("PUT", path, response);
      if (status >= 500 || status === 408 || status === 429) return { outcome: "unknown", cause };
      if (status !== 409) throw cause;
      if (attempt === RACE_ATTEMPTS) return { outcome: "unknown", cause };
      await this.#pause(attempt);
    }
  }

  async get(path: string): Promise<Uint8Array | undefined> {
    const response = await this.#patiently({ method: "GET", key: this.#keyOf(path) }, path);
    return response.status === 404 ? undefined : response.body;
  }

  async getRange(path: string, at: number, length: number): Promise<Uint8Array | undefined> {
    if (length === 0) return (await this.head(path)) && new Uint8Array(0);
    const headers = { range: `bytes=${at}-${at + length - 1}` };
    const request: S3Request = {
      method: "GET",
      key: this.#keyOf(path),
      headers,
      expectedBytes: Math.min(length, 2 ** 26),
    };
    const response = await this.#patiently(request, path);
    if (response.status === 404) return undefined;
    if (response.status === 416) return new Uint8Array(0); // begins behind the object's end
    // A server may send the whole object instead of the part.
    return response.status === 200 ? response.body.slice(at, at + length) : response.body;
  }

  async head(path: string): Promise<(StoredObject & { readonly etag: string }) | undefined> {
    const response = await this.#patiently({ method: "HEAD", key: this.#keyOf(path) }, path);
    if (response.status === 404) return undefined;
    const { headers } = response;
    return {
      path,
      bytes: Number(headers.get("content-length")),
      modifiedMs: wholeSeconds(headers.get("last-modified") ?? ""),
      etag: headers.get("etag") ?? "",
    };
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    const folder = joinStorePath(this.#address.prefix, checkStorePrefix(prefix));
    const found: StoredObject[] = [];
    let token: string | undefined;
    do {
      const query = {
        "list-type": "2",
        ...(folder === "" ? {} : { prefix: `${folder.replace(/\/$/, "")}/` }),
        ...(token === undefined ? {} : { "continuation-token": token }),
      };
      const response = await this.#patiently({ method: "GET", key: "", query }, prefix);
      if (response.status !== 200) throw unavailable("LIST", prefix, response);
      const text = new TextDecoder().decode(response.body);
      for (const [entry] of text.matchAll(/<Contents>[^]*?<\/Contents>/g)) {
        const listed = this.#listed(entry);
        if (listed) found.push(listed);
      }
      token = elementOf(text, "NextContinuationToken");
    } while (token !== undefined);
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** One entry of a listing; undefined for what is none of ours, as markers of folders. */
  #listed(entry: string): StoredObject | undefined {
    const key = elementOf(entry, "Key") ?? "";
    const { prefix } = this.#address;
    const path = prefix === "" ? key : key.slice(prefix.length + 1);
    if (!isStorePath(path)) return undefined;
    const modifiedMs = wholeSeconds(elementOf(entry, "LastModified") ?? "");
    return { path, bytes: Number(elementOf(entry, "Size")), modifiedMs };
  }

  async delete(path: string): Promise<void> {
    await this.#patiently({ method: "DELETE", key: this.#keyOf(path) }, path);
  }

  #keyOf(path: string): string {
    return joinStorePath(this.#address.prefix, checkStorePath(path));
  }

  /** @throws store.unavailable where no answer came */
  async #once(request: S3Request): Promise<S3Response> {
    try {
      return await this.#client.send(request);
    } catch (cause) {
      throw new MuaraError("store.unavailable", `S3 gave no answer to ${request.method} ${request.key}`, {
        cause,
      });
    }
  }

  /** What may be repeated without harm. @throws store.unavailable unless it was carried out or nothing was there */
  async #patiently(request: S3Request, path: string): Promise<S3Response> {
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt === READ_ATTEMPTS;
      try {
        const response = await this.#once(request);
        const { status } = response;
        if (status < 300 || status === 416 || (status === 404 && isMissingKey(response))) return response;
        const isPassing = status >= 500 || status === 408 || status === 429;
        if (isLast || !isPassing) throw unavailable(request.method, path, response);
      } catch (error) {
        if (isLast || !(error instanceof MuaraError) || error.cause === undefined) throw error;
      }
      await this.#pause(attempt);
    }
  }

  #pause(attempt: number): Promise<void> {
    return this.#clock.sleep(PAUSE_MS * 2 ** (attempt - 1) * (0.5 + this.#randomness.fraction()));
  }
}

/** Whether a 404 means the object. A HEAD has no body that would say so. */
function isMissingKey({ body }: S3Response): boolean {
  return body.length === 0 || !new TextDecoder().decode(body).includes("NoSuchBucket");
}

function unavailable(method: string, path: string, { status, body }: S3Response): MuaraError {
  const code = elementOf(new TextDecoder().decode(body.subarray(0, 4_096)), "Code") ?? "";
  return new MuaraError("store.unavailable", `S3 answered ${status} ${code} to ${method} ${path}`, {
    details: { status },
  });
}

/** The text of the first element of that name; S3's own answers nest none inside the ones asked for. */
function elementOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text
    ?.replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#34;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}

/** Listings may be finer than headers; both must say the same. */
function wholeSeconds(time: string): number {
  return Math.floor(Date.parse(time) / 1_000) * 1_000;
}
