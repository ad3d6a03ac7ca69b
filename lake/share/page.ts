/**
 * Pages of a list, as the Delta Sharing protocol wants them: `maxResults` and `pageToken` in, `items` and
 * `nextPageToken` out. The token is the name of the last item, so what comes or goes between two pages neither
 * repeats nor hides the others.
 */
import { MuaraError } from "../../core/errors.ts";

export interface PageRequest {
  readonly maxResults: string | undefined;
  readonly pageToken: string | undefined;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextPageToken?: string;
}

const TOKEN_LENGTH_MAX = 1_024;

/**
 * @param items in the order of their keys
 * @param keyOf unique per item, and compared as text
 * @throws request.malformed
 */
export function pageOf<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  { maxResults, pageToken }: PageRequest,
  itemsMax: number,
): Page<Item> {
  const wanted = maxResults === undefined ? itemsMax : wholeNumber("maxResults", maxResults);
  const after = pageToken === undefined || pageToken === "" ? undefined : readToken(pageToken);
  const rest = after === undefined ? items : items.filter((item) => keyOf(item) > after);
  const page = rest.slice(0, Math.min(wanted, itemsMax));
  if (page.length === rest.length) return { items: page };
  const last = page.at(-1);
  // Nobody gets further with pages of nothing, but the protocol allows to ask.
  const key = last === undefined ? (after ?? "") : keyOf(last);
  return { items: page, nextPageToken: writeToken(key) };
}

/** A version or count in a request. @throws request.malformed */
export function wholeNumber(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw malformed(name, `${name} is a whole number that is not negative.`);
}

export function malformed(parameter: string, message: string): MuaraError {
  return new MuaraError("request.malformed", message, { details: { parameter } });
}

function writeToken(key: string): string {
  return Buffer.from(`1:${key}`).toString("base64url");
}

function readToken(token: string): string {
  const text = token.length > TOKEN_LENGTH_MAX ? "" : Buffer.from(token, "base64url").toString();
  if (text.startsWith("1:") && writeToken(text.slice(2)) === token) return text.slice(2);
  throw malformed("pageToken", "pageToken is not one that this server gave out.");
}
