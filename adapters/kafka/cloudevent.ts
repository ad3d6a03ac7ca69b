/**
 * CloudEvents as others write them to a topic (CloudEvents 1.0.2, Kafka protocol binding, §3.2, binary mode: attributes
 * in headers `ce_…`, the data alone as the value) in the JSON format, which is what a log of ours holds. Structured
 * ones are that already. The binding has no batches.
 *
 * Surprising rule: what its headers do not make an event stays as it came, its value and all its headers: whoever lands
 * it says what is wrong with it. Data that is said to be JSON and is not one value stays so as well, since it could
 * become other members of the event.
 */
import { ATTRIBUTES_MAX, isAttributeName, jsonFormatOf, staysInside } from "../../core/cloudevent.ts";

export type Header = readonly [name: string, value: Buffer | null];

const PREFIX = "ce_";
const CONTENT_TYPE = "content-type";
const FORMATS = "application/cloudevents";
/** Is Content-Type outside of the JSON format. */
const DATA_TYPE = "datacontenttype";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns undefined for what is no event in binary mode */
export function cloudEventOf(
  headers: readonly Header[],
  value: Uint8Array,
): { readonly payload: Uint8Array; readonly others: readonly Header[] } | undefined {
  if (!headers.some(([name]) => name === `${PREFIX}specversion`)) return undefined;
  const texts = new Map<string, string>();
  const others: Header[] = [];
  for (const header of headers) {
    const [name, bytes] = header;
    const isAttribute = name.startsWith(PREFIX);
    if (!isAttribute && name !== CONTENT_TYPE) {
      others.push(header);
      continue;
    }
    if (bytes === null) continue; // as good as absent
    const attribute = isAttribute ? name.slice(PREFIX.length) : CONTENT_TYPE;
    const text = textOf(bytes);
    const isName = !isAttribute || (isAttributeName(attribute) && attribute !== "data");
    if (text === undefined || !isName || texts.has(attribute)) return undefined;
    texts.set(attribute, text);
  }
  const contentType = texts.get(CONTENT_TYPE) ?? texts.get(DATA_TYPE) ?? null;
  if (contentType?.toLowerCase().startsWith(FORMATS)) return undefined;
  texts.delete(CONTENT_TYPE);
  texts.delete(DATA_TYPE);
  if (texts.size > ATTRIBUTES_MAX) return undefined;
  const { event, hasJson } = jsonFormatOf([...texts], contentType, value);
  return hasJson && !staysInside(value) ? undefined : { payload: event, others };
}

function textOf(bytes: Buffer): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
