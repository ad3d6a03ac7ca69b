/**
 * A CloudEvent in a request (CloudEvents 1.0.2, HTTP protocol binding): which of the three modes it has, and a binary
 * one as the JSON that the other two are. Its data stays byte for byte what was sent.
 */
import { MuaraError } from "../../../core/errors.ts";
import {
  ATTRIBUTES_MAX,
  isAttributeName,
  type JsonFormat,
  jsonFormatOf,
  mediaTypeOf,
} from "../../../core/cloudevent.ts";

export type Mode = "structured" | "batched" | "binary";

const PREFIX = "ce-";

/** @throws request.media_type for what is no CloudEvent */
export function modeOf(headers: Headers): Mode {
  const { type, isUtf8 } = mediaTypeOf(headers.get("content-type"));
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

/** @throws request.malformed naming the header */
export function structuredOf(headers: Headers, body: Uint8Array): JsonFormat {
  const attributes: [string, string][] = [];
  for (const [header, value] of headers) {
    const name = header.startsWith(PREFIX) ? header.slice(PREFIX.length) : "";
    if (name === "" || name === "datacontenttype") continue; // that one is Content-Type here
    if (!isAttributeName(name) || name === "data")
      throw malformed(name, `The header ce-${name} is no attribute's name.`);
    attributes.push([name, decoded(name, value)]);
  }
  if (attributes.length > ATTRIBUTES_MAX)
    throw malformed("", `The event has more than ${ATTRIBUTES_MAX} attributes.`);
  return jsonFormatOf(attributes, headers.get("content-type"), body);
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

function malformed(field: string, message: string): MuaraError {
  return new MuaraError("request.malformed", message, { details: { field } });
}
