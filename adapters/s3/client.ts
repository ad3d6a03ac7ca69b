/**
 * Signed requests to one bucket of S3, with `fetch` and Web Crypto alone, so that they run on Node, Deno and an edge.
 * One call is one request: nothing is repeated here, because a conditional write whose first attempt succeeded
 * would be refused the second time, and its own success would look like another's.
 */
import { AwsV4Signer } from "aws4fetch";
import type { S3Address, S3Credentials } from "./address.ts";

/** A request may take this long, and a second more for each MiB that it carries, ms. */
const REQUEST_MS = 10_000;
const MIB = 1_048_576;

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "DELETE";
  /** Key inside the bucket; "" for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Bytes that the answer is expected to have, for the time that it may take. */
  readonly expectedBytes?: number;
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
    const { region } = this.#address;
    const { method, body } = request;
    const bytes = body === undefined ? undefined : new Uint8Array(body);
    const headers = {
      ...request.headers,
      "x-amz-content-sha256": await sha256Hex(bytes ?? new Uint8Array(0)),
    };
    const signer = new AwsV4Signer({
      method,
      url: this.#urlOf(request),
      headers,
      ...this.#credentials,
      service: "s3",
      region,
      cache: this.#cache,
    });
    const signed = await signer.sign();
    const size = (bytes?.length ?? 0) + (request.expectedBytes ?? 0);
    const response = await fetch(signed.url, {
      method,
      headers: signed.headers,
      ...(bytes === undefined ? {} : { body: bytes }),
      redirect: "manual",
      signal: AbortSignal.timeout(REQUEST_MS + Math.ceil(size / MIB) * 1_000),
    });
    return {
      status: response.status,
      headers: response.headers,
      body: new Uint8Array(await response.arrayBuffer()),
    };
  }

  #urlOf({ key, query }: S3Request): string {
    const path = key.split("/").map(encodeURIComponent).join("/");
    const search = query === undefined ? "" : `?${String(new URLSearchParams(query))}`;
    return `${this.#address.base}/${path}${search}`;
  }
}

export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
