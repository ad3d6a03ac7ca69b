/** Texts for who is told: `{{ name }}` in an annotation stands for what the result has under the name. */
import { MuaraError } from "./errors.ts";
import type { Labels } from "./alert-labels.ts";

const PLACE = /\{\{\s*([^{}]*?)\s*\}\}/g;
const ANNOTATION_LENGTH_MAX = 4_096;

/** @param facts by name @throws rule.refused naming what no result has */
export function filledTexts(texts: Labels, facts: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([annotation, text]) => {
      const filled = text.replaceAll(PLACE, (_, name: string) => {
        const fact = facts.get(name);
        if (fact !== undefined) return fact;
        const known = [...facts.keys()].join(", ");
        throw new MuaraError(
          "rule.refused",
          `The rule is refused: annotation ${annotation} has {{ ${name} }}; there are ${known}.`,
          { details: { annotation, name } },
        );
      });
      return [annotation, cut(filled, ANNOTATION_LENGTH_MAX)];
    }),
  );
}

/** At most so many UTF-16 units, and no half of a pair. */
export function cut(text: string, length: number): string {
  return (text.length > length ? `${text.slice(0, length - 1)}…` : text).toWellFormed();
}
