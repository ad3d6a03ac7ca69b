/** Lists in pages as Nakadi gives them: `limit` and `offset` in the address, `items` and `_links` in the answer. */
import { MuaraError } from "../../core/errors.ts";
import type { Call } from "./call.ts";

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 1_000;

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly _links: { readonly prev?: { readonly href: string }; readonly next?: { readonly href: string } };
}

/**
 * @param path of the list, without a query
 * @throws stream.parameters where `limit` (1 to 1,000) or `offset` (0 or more) is out of range, request.malformed where
 *   it is no whole number
 */
export function pageOf<Item>(all: readonly Item[], { request, query }: Call, path: string): Page<Item> {
  const limit = wholeNumber("limit", query("limit") ?? String(LIMIT_DEFAULT), 1, LIMIT_MAX);
  const offset = wholeNumber("offset", query("offset") ?? "0", 0, Number.MAX_SAFE_INTEGER);
  const link = (from: number): { href: string } => {
    const given = new URL(request.url).searchParams;
    given.set("limit", String(limit));
    given.set("offset", String(from));
    return { href: `${path}?${given}` };
  };
  return {
    items: all.slice(offset, offset + limit),
    _links: {
      ...(offset > 0 ? { prev: link(Math.max(0, offset - limit)) } : {}),
      ...(offset + limit < all.length ? { next: link(offset + limit) } : {}),
    },
  };
}

/** @throws request.malformed for what is no whole number, stream.parameters for one out of range */
export function wholeNumber(name: string, text: string, least: number, most: number): number {
  if (!/^[+-]?\d{1,15}$/.test(text))
    throw new MuaraError("request.malformed", `${name} is no whole number.`, {
      details: { parameter: name },
    });
  const value = Number(text);
  if (value < least || value > most)
    throw new MuaraError("stream.parameters", `${name} must be ${rangeText(least, most)}.`, {
      details: { parameter: name },
    });
  return value;
}

function rangeText(least: number, most: number): string {
  return most >= Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`;
}
