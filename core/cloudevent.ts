/**
 * An event of CloudEvents 1.0.2 in the JSON format, made of attributes and data that came apart: the binary mode of the
 * HTTP and the Kafka binding. The data stays byte for byte what was sent.
 */
export const CLOUDEVENT_MEDIA_TYPE = "application/cloudevents+json";
/** Attributes of one event; the specification asks for at least some two dozen of usual length. */
export const ATTRIBUTES_MAX = 64;

const NAME = /^[a-z0-9]+$/;
const JSON_TYPE = /^(?:application|text)\/(?:[\w.!#$&^-]+\+)?json$/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
/** Brackets and braces differ in these bits alone. */
const OPENING = 0x5b;
const CLOSING = 0x5d;
const BRACES = 0x20;

const encoder = new TextEncoder();

export function isAttributeName(name: string): boolean {
  return NAME.test(name);
}

export interface MediaType {
  /** Without parameters, in lower case. */
  readonly type: string;
  readonly isUtf8: boolean;
}

export function mediaTypeOf(contentType: string | null): MediaType {
  const [type = "", ...parameters] = (contentType ?? "").split(";").map((part) => part.trim().toLowerCase());
  const isUtf8 = parameters.every(
    (part) => !part.startsWith("charset=") || /^charset="?(?:utf-?8|us-ascii)"?$/.test(part),
  );
  return { type, isUtf8 };
}

/** A binary event in the JSON format. */
export interface JsonFormat {
  readonly event: Uint8Array;
  /** Whether the data is in it as it came; then it must be one JSON value. */
  readonly hasJson: boolean;
}

/**
 * @param attributes but `datacontenttype`
 * @param contentType null: JSON
 * @param data empty: none
 */
export function jsonFormatOf(
  attributes: readonly (readonly [name: string, text: string])[],
  contentType: string | null,
  data: Uint8Array,
): JsonFormat {
  const members = attributes.map(([name, text]) => `${JSON.stringify(name)}:${JSON.stringify(text)}`);
  if (contentType !== null) members.push(`"datacontenttype":${JSON.stringify(contentType)}`);
  if (data.length === 0) return { event: encoder.encode(`{${members.join()}}`), hasJson: false };
  const { type, isUtf8 } = mediaTypeOf(contentType);
  if ((contentType === null || JSON_TYPE.test(type)) && isUtf8)
    return { event: joined(`{${members.join()},"data":`, data, "}"), hasJson: true };
  return { event: encoder.encode(`{${members.join()},"data_base64":"${base64(data)}"}`), hasJson: false };
}

/**
 * Whether bytes that become a member's value cannot end it and begin another member: what is well-formed JSON never
 * does. Not whether they are well-formed: whoever scans the whole will see.
 */
export function staysInside(bytes: Uint8Array): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (isText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if ((byte & ~BRACES) === OPENING) depth++;
    else if ((byte & ~BRACES) === CLOSING) depth--;
    else if (depth === 0 && (byte === COMMA || byte === COLON)) return false;
    if (depth < 0) return false;
  }
  return depth === 0 && !isText;
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
