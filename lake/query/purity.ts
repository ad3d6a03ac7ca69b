/**
 * Whether a statement's answer follows from the tables alone: functions whose answer is another one each time make
 * what is computed twice differ.
 */
const IMPURE = new Set(
  `now random uuid uuidv4 uuidv7 gen_random_uuid today current_date current_localtime current_localtimestamp
  get_current_time get_current_timestamp transaction_timestamp current_timestamp`.split(/\s+/),
);
const IMPURE_WORDS = new Set([
  "current_date",
  "current_time",
  "current_timestamp",
  "localtime",
  "localtimestamp",
]);

/** @param serialized as `serializeSql` gives it @returns the first such function; undefined for none */
export function impureFunction(serialized: string): string | undefined {
  return functionsOf(JSON.parse(serialized)).find((name) => IMPURE.has(name));
}

function functionsOf(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap(functionsOf);
  if (typeof node !== "object" || node === null) return [];
  const {
    function_name: name,
    class: kind,
    children,
    column_names: names,
  } = node as Readonly<Record<string, unknown>>;
  // With one argument, age is the distance from now.
  const isAge = name === "age" && Array.isArray(children) && children.length === 1;
  const own = typeof name === "string" && kind === "FUNCTION" ? [isAge ? "now" : name.toLowerCase()] : [];
  // Without parentheses they are parsed as columns, and become functions where no column is called so.
  const word = kind === "COLUMN_REF" && Array.isArray(names) ? String(names.at(-1)).toLowerCase() : "";
  if (IMPURE_WORDS.has(word)) own.push("now");
  return [...own, ...Object.values(node).flatMap(functionsOf)];
}
