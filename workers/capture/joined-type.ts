/**
 * A type of PostgreSQL that takes the values of two, for columns whose type changes, or is another on another shard,
 * while the form of their values in events stays the same. What an event type says of a column is more than its form:
 * an operational data store makes a column of it.
 */

/** What the store makes of them is the same (adapters/pg/sink-types.ts). */
const ALIKE: Readonly<Record<string, string>> = {
  smallint: "integer",
  real: "double precision",
  character: "text",
  "character varying": "text",
  bit: "bit varying",
};
const OF_JSON = /(\[\]|^jsonb?)$/;

/** @returns `declared` itself where it takes the values of both */
export function joinedType(declared: string, wanted: string): string {
  const [ours, theirs] = [plain(declared), plain(wanted)];
  if (ours === theirs) return declared;
  if (ours === "numeric" && theirs === "bigint") return declared;
  if (theirs === "numeric" && ours === "bigint") return wanted;
  const [element, other] = [elementOf(ours), elementOf(theirs)];
  if (element !== undefined && other !== undefined && !/^jsonb?$/.test(element) && !/^jsonb?$/.test(other))
    return `${joinedType(element, other)}[]`;
  return OF_JSON.test(ours) || OF_JSON.test(theirs) ? "jsonb" : "text";
}

function elementOf(type: string): string | undefined {
  return type.endsWith("[]") ? type.slice(0, -2) : undefined;
}

/** Without modifiers, and by one name for all that are alike. */
function plain(type: string): string {
  const element = elementOf(type);
  if (element !== undefined) return `${plain(element)}[]`;
  const bare = type.replace(/\(\d+(,-?\d+)?\)/, "").replace(/^interval .*/, "interval");
  return Object.hasOwn(ALIKE, bare) ? ALIKE[bare]! : bare;
}
