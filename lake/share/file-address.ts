/**
 * Addresses of shared files that Muara itself serves: whoever has one may read this one file until it expires, without
 * a token. It is signed (HMAC-SHA256) over everything in it: file, version of the table, names, expiry, and the token
 * that it was given to, so that it ends at once when that token or the share does.
 *
 * The signature's parameter is called `X-Amz-Signature`, because the reader inside of the `delta-sharing` client takes
 * an address for a signed one by that name (measured: under any other it looks for a local file).
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { MuaraError } from "../../core/errors.ts";

export const FILES_ROUTE = "/delta-sharing/files";
const SIGNATURE = "X-Amz-Signature";

export interface FileAddress {
  readonly share: string;
  readonly schema: string;
  readonly table: string;
  readonly version: number;
  /** Of the file in the store. */
  readonly path: string;
  /** ms since 1970 UTC. */
  readonly expiresMs: number;
  /** Id of the principal that asked. */
  readonly principal: string;
}

/** Path and query of the address. */
export function signAddress(key: Uint8Array, address: FileAddress): string {
  const { share, schema, table, version, path, expiresMs, principal } = address;
  const file = Buffer.from(path).toString("base64url");
  const query = new URLSearchParams({ for: principal, expires: String(expiresMs) });
  query.set(SIGNATURE, signatureOf(key, address).toString("hex"));
  return `${FILES_ROUTE}/${share}/${schema}/${table}/${version}/${file}.parquet?${query.toString()}`;
}

/** What the router has cut out of an address, not yet trusted. */
export type UntrustedAddress = Readonly<Record<"share" | "schema" | "table" | "version" | "file", string>>;

/** @throws share.file_refused for an address that is not ours, was changed, or has expired */
export function verifyAddress(
  key: Uint8Array,
  untrusted: UntrustedAddress,
  query: (name: string) => string | undefined,
  nowMs: number,
): FileAddress {
  const address = {
    share: untrusted.share,
    schema: untrusted.schema,
    table: untrusted.table,
    version: digits(untrusted.version),
    path: Buffer.from(untrusted.file.replace(/\.parquet$/, ""), "base64url").toString(),
    expiresMs: digits(query("expires")),
    principal: query("for") ?? "",
  };
  const given = Buffer.from(query(SIGNATURE) ?? "", "hex");
  const expected = signatureOf(key, address);
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new MuaraError("share.file_refused", "The address of the file is not as it was given out.");
  if (address.expiresMs <= nowMs)
    throw new MuaraError(
      "share.file_refused",
      "The address of the file has expired; ask for the table again.",
    );
  return address;
}

function signatureOf(key: Uint8Array, address: FileAddress): Buffer {
  const { share, schema, table, version, path, expiresMs, principal } = address;
  const signed = JSON.stringify([1, share, schema, table, version, path, expiresMs, principal]);
  return createHmac("sha256", key).update(signed).digest();
}

function digits(text: string | undefined): number {
  return /^\d{1,15}$/.test(text ?? "") ? Number(text) : Number.NaN;
}
