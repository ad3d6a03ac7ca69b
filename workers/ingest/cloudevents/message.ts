/**
 * A CloudEvent in a request (CloudEvents 1.0.2, HTTP protocol binding): which of the three modes it has, and a binary
 * one as the JSON that the other two are. Its data stays byte for byte what was sent.
 */
import { MuaraError } from "../../../core/errors.ts";
import { isAttributeName } from "./extensions.ts";

export type Mode = "structured" | "batched" | "binary";

const PREFIX = "ce-";
/** Attributes of one event; the specification asks for at least some two dozen of usual length. */
export const ATTRIBUTES_MAX = 64;

const encoder = new TextEncoder();

/** @throws request.media_type for what is no CloudEvent */
export function modeOf(headers: Headers): Mode {
  const { type, isUtf8 } = mediaType(headers.get("content-type"));
  if (type === "application/cloudevents+json" && isUtf8) return "structured";
  if (type === "application/cloudevents-batch+json" && isUtf8) return "batched";
  if (!type.startsWith("application/cloudevents") && headers.has(`${PREFIX}specversion`)) return "binary";
  throw new MuaraError(
    "request.media_type",
    "The request is no CloudEvent: neither application/cloudevents+json, nor application/cloudevents-batch+json, " +
      "nor are there headers ce-….",
  );
}

/** The header `ce-type` as text. @throws request.malformed where there is none */
export function typeOfHeaders(headers: Headers): string {
  const type = headers.get(`${PREFIX}type`);
  if (type) return decoded("type", type);
  throw new MuaraError("request.malformed", "The header ce-type is missing.", {
    details: { field: "type" },
  });
}

/** A binary event in the JSON format. */
export interface Structured {
  readonly event: Uint8Array;
  /** Whether the body is in it as it came; then it must be one JSON value. */
  readonly hasJson: boolean;
}

/** @throws request.malformed naming the header */
export function structuredOf(headers: Headers, body: Uint8Array): Structured {
  const members: string[] = [];
  for (const [header, value] of headers) {
    const name = header.startsWith(PREFIX) ? header.slice(PREFIX.length) : "";
    if (name === "" || name === "datacontenttype") continue; // that one is Content-Type here
    if (!isAttributeName(name) || name === "data")
      throw malformed(name, `The header ce-${name} is no attribute's name.`);
    members.push(`${JSON.stringify(name)}:${JSON.stringify(decoded(name, value))}`);
  }
  if (members.length > ATTRIBUTES_MAX)
    throw malformed("", `The event has more than ${ATTRIBUTES_MAX} attributes.`);
  const contentType = headers.get("content-type");
  if (contentType !== null) members.push(`"datacontenttype":${JSON.stringify(contentType)}`);
  const { type, isUtf8 } = mediaType(contentType);
  if (body.length === 0) return { event: encoder.encode(`{${members.join()}}`), hasJson: false };
  const isJson = contentType === null || /^(?:application|text)\/(?:[\w.!#$&^-]+\+)?json$/.test(type);
  if (isJson && isUtf8) return { event: joined(`{${members.join()},"data":`, body, "}"), hasJson: true };
  return { event: encoder.encode(`{${members.join()},"data_base64":"${base64(body)}"}`), hasJson: false };
}

function mediaType(contentType: string | null): { readonly type: string; readonly isUtf8: boolean } {
  const [type = "", ...parameters] = (contentType ?? "").split(";").map((part) => part.trim().toLowerCase());
  const isUtf8 = parameters.every(
    (part) => !part.startsWith("charset=") || /^charset="?(?:utf-?8|us-ascii)"?$/.test(part),
  );
  return { type, isUtf8 };
}

/**
 * §3.1.3.2 there: what is no printable ASCII is percent-encoded as UTF-8, and a value may be quoted. A percent sign
 * that encodes nothing is taken as it stands: not every SDK encodes.
 */
function decoded(name: string, value: string): string {
  const quoted = /^"(.*)"$/s.exec(value);
  const text = quoted ? quoted[1]!.replaceAll(/\\(.)/gs, "$1") : value;
  try {
    return decodeURIComponent(text.replaceAll(/%(?![0-9a-fA-F]{2})/g, "%25"));
  } catch {
    throw malformed(name, `The header ce-${name} is no UTF-8 in percent-encoding.`);
  }
}

function joined(before: string, body: Uint8Array, after: string): Uint8Array {
  const head = encoder.encode(before);
  const tail = encoder.encode(after);
  const bytes = new Uint8Array(head.length + body.length + tail.length);
  bytes.set(head, 0);
  bytes.set(body, head.length);
  bytes.set(tail, head.length + body.length);
  return bytes;
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8_192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(text);
}

function malformed(field: string, message: string): MuaraError {
  return new MuaraError("request.malformed", message, { details: { field } });
}
