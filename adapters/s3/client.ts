/**
 * Signed requests to one bucket of S3, with `fetch` and Web Crypto alone, so that they run on Node, Deno and an edge.
 * One call is one request: nothing is repeated here, because a conditional write whose first attempt succeeded
 * would be refused the second time, and its own success would look like another's. Who may repeat what is decided in
 * requests.ts.
 */
import { concatenate } from "../../core/bytes.ts";
import { AwsV4Signer } from "aws4fetch";
import type { S3Address, S3Credentials } from "./address.ts";

/** A request may be silent this long, and longer in proportion to what it moves: a rate that any network has. */
const REQUEST_MS = 10_000;
const BYTES_PER_MS_MIN = 256;

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Key inside the bucket; "" for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface S3Response {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export class S3Client {
  readonly #address: S3Address;
  readonly #credentials: S3Credentials;
  /** Signing keys of the day. */
  readonly #cache = new Map<string, ArrayBuffer>();

  constructor(address: S3Address, credentials: S3Credentials) {
    this.#address = address;
    this.#credentials = credentials;
  }

  /** @throws whatever fetch throws where no whole answer came */
  async send(request: S3Request): Promise<S3Response> {
    const { method, body } = request;
    const bytes = body === undefined ? undefined : ownBytes(body);
    const headers = {
      ...request.headers,
      "x-amz-content-sha256": await sha256Hex(bytes ?? new Uint8Array(0)),
    };
    const signed = await this.#signer(request, { headers }).sign();
    const patience = new Patience(bytes?.length ?? 0);
    try {
      const response = await fetch(signed.url, {
        method,
        headers: signed.headers,
        ...(bytes === undefined ? {} : { body: bytes }),
        redirect: "manual",
        signal: patience.signal,
      });
      const { status } = response;
      return { status, headers: response.headers, body: await readAll(response, patience) };
    } finally {
      patience.end();
    }
  }

  /**
   * An address under which anybody may GET `key` until it expires, without credentials.
   * @param expiresSeconds 1 to 604,800, which is all that S3 allows
   */
  async presign(key: string, expiresSeconds: number): Promise<string> {
    const query = { "X-Amz-Expires": String(expiresSeconds) };
    const signed = await this.#signer({ method: "GET", key, query }, { signQuery: true }).sign();
    return String(signed.url);
  }

  #signer(request: S3Request, how: { headers?: Record<string, string>; signQuery?: boolean }): AwsV4Signer {
    const { region } = this.#address;
    return new AwsV4Signer({
      method: request.method,
      url: this.#urlOf(request),
      ...how,
      ...this.#credentials,
      service: "s3",
      region,
      cache: this.#cache,
    });
  }

  #urlOf({ key, query }: S3Request): string {
    const path = key.split("/").map(encodeURIComponent).join("/");
    const search = query === undefined ? "" : `?${String(new URLSearchParams(query))}`;
    return `${this.#address.base}/${path}${search}`;
  }
}

/** A part is large: it is not copied where that can be helped. */
function ownBytes(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = body;
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, byteOffset, length) : new Uint8Array(body);
}

/** Ends a request that falls below the least rate. */
class Patience {
  readonly #abort = new AbortController();
  readonly #startedMs = performance.now();
  #movedBytes: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(bodyBytes: number) {
    this.#movedBytes = bodyBytes;
    this.#wait();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  moved(bytes: number): void {
    this.#movedBytes += bytes;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    const deadlineMs = this.#startedMs + REQUEST_MS + this.#movedBytes / BYTES_PER_MS_MIN;
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) return this.#abort.abort(new DOMException("S3 is too slow", "TimeoutError"));
    this.#timer = setTimeout(() => this.#wait(), leftMs);
  }
}

async function readAll(response: Response, patience: Patience): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    length += chunk.length;
    patience.moved(chunk.length);
  }
  return concatenate(chunks, length);
}

export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
