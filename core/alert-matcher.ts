/**
 * Matchers of labels, as Alertmanager writes them: `name="value"`, `!=`, `=~`, `!~`. A label that is absent has the
 * empty value. Expressions have to match the whole value and take time linear in it (`core/pattern.ts`).
 */
import { labelName, type Labels } from "./alert-labels.ts";
import { MuaraError } from "./errors.ts";
import { Pattern } from "./pattern.ts";
import { parsePattern, PatternError } from "./pattern-parse.ts";

const TEXT_LENGTH_MAX = 4_096;
const MATCHERS_MAX = 64;
const ONE = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^"'`{},\s=!~]*)\s*(,|$)/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", '"': '"', "\\": "\\" };

/** Alertmanager's own form of it, in JSON. */
export interface Matcher {
  readonly name: string;
  readonly value: string;
  readonly isRegex: boolean;
  readonly isEqual: boolean;
}

export class LabelMatcher {
  readonly source: Matcher;
  readonly #pattern: Pattern | undefined;

  /** @throws alert.matcher_invalid */
  constructor(source: Matcher) {
    if (!labelName.safeParse(source.name).success) throw invalid(`${source.name} is no name of a label`);
    if (source.value.length > TEXT_LENGTH_MAX)
      throw invalid(`the value is longer than ${TEXT_LENGTH_MAX} characters`);
    this.source = source;
    if (source.isRegex) this.#pattern = patternOf(source.value);
  }

  matches(labels: Labels): boolean {
    const { name, value, isEqual } = this.source;
    const found = Object.hasOwn(labels, name) ? labels[name]! : "";
    return (this.#pattern ? this.#pattern.test(found) : found === value) === isEqual;
  }

  toString(): string {
    const { name, value, isRegex, isEqual } = this.source;
    const operator = isEqual ? (isRegex ? "=~" : "=") : isRegex ? "!~" : "!=";
    const quoted = value.replaceAll(/["\\\n]/g, (letter) => (letter === "\n" ? "\\n" : `\\${letter}`));
    return `${name}${operator}"${quoted}"`;
  }
}

/** @param text `{severity="page", country=~"D.|AT"}`, braces may lack @throws alert.matcher_invalid */
export function parseMatchers(text: string): LabelMatcher[] {
  if (text.length > TEXT_LENGTH_MAX) throw invalid(`more than ${TEXT_LENGTH_MAX} characters`);
  const braced = /^\s*\{([\s\S]*)\}\s*$/.exec(text);
  let rest = braced ? braced[1]! : text;
  const matchers: LabelMatcher[] = [];
  while (rest.trim() !== "") {
    const one = ONE.exec(rest);
    if (!one) throw invalid(`not a matcher: ${rest.trim().slice(0, 60)}`);
    if (matchers.length === MATCHERS_MAX) throw invalid(`more than ${MATCHERS_MAX} matchers`);
    const [whole, name, operator, value] = one;
    matchers.push(
      new LabelMatcher({
        name: name!,
        value: unquoted(value!),
        isRegex: operator!.endsWith("~"),
        isEqual: !operator!.startsWith("!"),
      }),
    );
    rest = rest.slice(whole.length);
  }
  return matchers;
}

function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  return text.slice(1, -1).replaceAll(/\\(.)/gs, (whole, letter: string) => ESCAPES[letter] ?? whole);
}

function patternOf(value: string): Pattern {
  try {
    parsePattern(value); // alone: `a)|(b` would leave its group
    return new Pattern(`^(?:${value})$`);
  } catch (error) {
    if (error instanceof PatternError) throw invalid(error.message);
    throw error;
  }
}

function invalid(reason: string): MuaraError {
  return new MuaraError("alert.matcher_invalid", `The matcher is not taken: ${reason}.`);
}
