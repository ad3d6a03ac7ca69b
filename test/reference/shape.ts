/** Whether two JSON values have the same form: kinds and keys, not values. */

/** Keys are names of things here, not of fields. */
const MAPS = new Set(["versions", "counts", "totals", "checks", "annotations", "labels", "table", "options"]);

/** @returns places where they differ. Nothing (`null`, an empty list) agrees with everything */
export function differences(shown: unknown, found: unknown, place = ""): readonly string[] {
  if (shown === undefined || found === undefined || shown === null || found === null)
    return shown === undefined && found !== undefined && found !== null && place === ""
      ? ["an answer is not shown"]
      : [];
  if (kindOf(shown) !== kindOf(found)) return [`${place} is ${kindOf(found)} instead of ${kindOf(shown)}`];
  if (Array.isArray(shown) && Array.isArray(found))
    return shown.length > 0 && found.length > 0 ? differences(shown[0], found[0], `${place}/0`) : [];
  if (typeof shown !== "object") return [];
  return MAPS.has(place.split("/").at(-1)!) ? [] : fields(shown as Fields, found as Fields, place);
}

type Fields = Readonly<Record<string, unknown>>;

function fields(shown: Fields, found: Fields, place: string): readonly string[] {
  return [
    ...Object.entries(found).flatMap(([key, value]) =>
      key in shown ? differences(shown[key], value, `${place}/${key}`) : [`${place}/${key} is not shown`],
    ),
    ...Object.keys(shown)
      .filter((key) => !(key in found))
      .map((key) => `${place}/${key} is missing`),
  ];
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "list" : typeof value;
}
