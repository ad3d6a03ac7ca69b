/**
 * The tests' own, slow JSON reader and exact decimals: nothing of it is shared with the code under test.
 * A node keeps its text as published.
 */
export type Node =
  | { readonly kind: "object"; readonly raw: string; readonly entries: readonly (readonly [string, Node])[] }
  | { readonly kind: "array"; readonly raw: string; readonly items: readonly Node[] }
  | { readonly kind: "string"; readonly raw: string; readonly value: string }
  | { readonly kind: "number"; readonly raw: string }
  | { readonly kind: "literal"; readonly raw: string; readonly value: boolean | null };

const STRING = String.raw`(?<string>"(?:[^"\\]|\\.)*")`;
const NUMBER = String.raw`(?<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)`;
const TOKEN = String.raw`\s*(?:${STRING}|${NUMBER}|(?<literal>true|false|null)|(?<mark>[[\]{}:,]))`;

export function parseSlowly(text: string): Node {
  JSON.parse(text); // throws where the test itself made bad JSON
  const reader = new RegExp(TOKEN, "y");
  const next = (): { groups: Record<string, string | undefined>; from: number } => {
    const match = reader.exec(text)!;
    return { groups: match.groups!, from: reader.lastIndex - match[0].trimStart().length };
  };
  const peek = (): string => {
    const at = reader.lastIndex;
    const mark = next().groups["mark"] ?? "";
    reader.lastIndex = at;
    return mark;
  };
  const value = (): Node => {
    const { groups, from } = next();
    if (groups["string"] !== undefined)
      return { kind: "string", raw: groups["string"], value: said(groups["string"]) };
    if (groups["number"] !== undefined) return { kind: "number", raw: groups["number"] };
    if (groups["literal"] !== undefined)
      return {
        kind: "literal",
        raw: groups["literal"],
        value: groups["literal"] === "null" ? null : groups["literal"] === "true",
      };
    const entries: [string, Node][] = [];
    const items: Node[] = [];
    const isObject = groups["mark"] === "{";
    while (peek() !== "}" && peek() !== "]") {
      if (isObject) {
        const key = said(next().groups["string"]!);
        next(); // colon
        entries.push([key, value()]);
      } else items.push(value());
      if (peek() === ",") next();
    }
    next();
    const raw = text.slice(from, reader.lastIndex);
    return isObject ? { kind: "object", raw, entries } : { kind: "array", raw, items };
  };
  return value();
}

function said(quoted: string): string {
  const text: unknown = JSON.parse(quoted);
  if (typeof text !== "string") throw new Error("not a string");
  return text;
}

export function member(node: Node | undefined, key: string): Node | undefined {
  return node?.kind === "object" ? node.entries.find(([name]) => name === key)?.[1] : undefined;
}

/** numerator / denominator, a power of ten; exact. */
export interface Exact {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export function exactly(token: string): Exact {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(
    token,
  )!;
  const unscaled = BigInt(`${whole}${fraction}`) * (sign === "-" ? -1n : 1n);
  const shift = BigInt(exponent) - BigInt(fraction.length);
  return shift >= 0n
    ? { numerator: unscaled * 10n ** shift, denominator: 1n }
    : { numerator: unscaled, denominator: 10n ** -shift };
}

export function isSame(a: Exact, b: Exact): boolean {
  return a.numerator * b.denominator === b.numerator * a.denominator;
}

/** One spelling per number: lowest terms. */
export function canonical(token: string): string {
  let { numerator, denominator } = exactly(token);
  while (denominator > 1n && numerator % 10n === 0n) {
    numerator /= 10n;
    denominator /= 10n;
  }
  return numerator === 0n ? "0" : `${numerator}/${denominator}`;
}
