/** A text inside an event that was parsed. */

export function textAt(event: unknown, path: readonly string[]): string | undefined {
  const value = path.reduce<unknown>(
    (node, key) =>
      typeof node === "object" && node !== null
        ? (node as Readonly<Record<string, unknown>>)[key]
        : undefined,
    event,
  );
  return typeof value === "string" ? value : undefined;
}
