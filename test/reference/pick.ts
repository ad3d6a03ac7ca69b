/** Places in an answer. */

/** The value at `a.0.b`; undefined where there is none. */
export function pick(answer: unknown, place: string): unknown {
  return place
    .split(".")
    .reduce<unknown>(
      (value, key) =>
        typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined,
      answer,
    );
}

/** Whether a list of items is not empty. */
export const some = (answer: unknown): boolean => pick(answer, "items.0") !== undefined;
