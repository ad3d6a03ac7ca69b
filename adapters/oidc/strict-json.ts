/**
 * JSON objects without a second opinion: of a member that is there twice one reader takes the first and another the
 * last, so that a token could be two things (RFC 7519 §4 lets us refuse it).
 */
import { parseJson } from "../../core/parse-json.ts";

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** @returns undefined for what is no JSON object in UTF-8, or has a member twice, at any depth */
export function strictObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const parsed = parseJson(text);
    const isObject = typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
    return isObject && !hasTwice(text) ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** @param text known to be JSON */
function hasTwice(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") {
      open.push(token === "{" ? new Set() : undefined);
      isKey = token === "{";
    } else if (token === "}" || token === "]") {
      open.pop();
      isKey = false;
    } else if (token === ",") isKey = open.at(-1) !== undefined;
    else if (token === ":") isKey = false;
    else if (isKey) {
      const key = String(JSON.parse(token));
      if (open.at(-1)!.has(key)) return true;
      open.at(-1)!.add(key);
    }
  }
  return false;
}
