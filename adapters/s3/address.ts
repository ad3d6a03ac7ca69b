/**
 * Where a log or lake lies on S3: `s3://bucket/prefix?endpoint=https://…&region=…`. Without an endpoint it is AWS.
 * Credentials are never part of an address, which is logged and shown; they come from the environment, under the
 * names that every S3 tool knows.
 */
import { MuaraError } from "../../core/errors.ts";
import { isStorePath } from "../../core/store-path.ts";

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION_DEFAULT = "us-east-1";

export interface S3Address {
  readonly bucket: string;
  /** Folder inside the bucket; "" is all of it. */
  readonly prefix: string;
  readonly region: string;
  /** Where the bucket answers, without a slash at the end: keys are appended to it. */
  readonly base: string;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** @throws config.invalid naming what is wrong */
export function parseS3Address(address: string): S3Address {
  const [path, query = ""] = splitOnce(address.replace(/^s3:/, ""), "?");
  if (!path.startsWith("//")) throw invalid(`"${path}" does not begin with s3://BUCKET`);
  const [bucket, rest] = splitOnce(path.slice(2), "/");
  const prefix = (rest ?? "").replace(/\/+$/, "");
  if (!BUCKET.test(bucket)) throw invalid(`"${bucket}" is no bucket's name`);
  if (prefix !== "" && !isStorePath(prefix)) throw invalid(`"${prefix}" is no safe folder`);
  const options = new URLSearchParams(query);
  for (const key of options.keys())
    if (key !== "endpoint" && key !== "region") throw invalid(`there is no option "${key}"`);
  const region = options.get("region") ?? REGION_DEFAULT;
  if (!/^[a-z0-9-]{1,64}$/.test(region)) throw invalid(`"${region}" is no region`);
  return { bucket, prefix, region, base: baseOf(bucket, region, options.get("endpoint")) };
}

/** Path-style wherever an endpoint is named, or the bucket's name would not fit a certificate. */
function baseOf(bucket: string, region: string, endpoint: string | null): string {
  if (endpoint === null) {
    const host = `s3.${region}.amazonaws.com`;
    return bucket.includes(".") ? `https://${host}/${bucket}` : `https://${bucket}.${host}`;
  }
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isBare = url && url.search === "" && url.hash === "" && url.username === "" && url.password === "";
  if (!isBare || !/^https?:$/.test(url.protocol))
    throw invalid("the endpoint is no address of the form https://HOST:PORT");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}/${bucket}`;
}

/** @throws config.invalid where the environment names none */
export function s3Credentials(environment: Readonly<Record<string, unknown>>): S3Credentials {
  const text = (name: string): string | undefined => {
    const value = environment[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const accessKeyId = text("AWS_ACCESS_KEY_ID");
  const secretAccessKey = text("AWS_SECRET_ACCESS_KEY");
  const sessionToken = text("AWS_SESSION_TOKEN");
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw invalid("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function invalid(reason: string): MuaraError {
  return new MuaraError("config.invalid", `s3: ${reason}`, { details: { scheme: "s3" } });
}
