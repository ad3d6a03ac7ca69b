/**
 * Reads the engine's errors (`errors_as_json`) and gives texts of our own for them.
 *
 * While rows are read the engine quotes what it read (`Could not convert string '…'`, `missing ): …`, in dozens of
 * forms, some without quotes), also from rows that a filter would have hidden. So of such an error nothing is passed
 * on but its kind, a type name from a list, and the place in the SQL. Only what the engine says before it reads any
 * row, about names and types in the SQL itself, is passed on, without paths and advice.
 */
import type { Failure } from "./protocol.ts";

interface EngineError {
  readonly exception_type?: string;
  readonly exception_message?: string;
  readonly position?: string;
}

/** Errors of parsing and binding: their texts quote the SQL and the names in it. */
const ABOUT_THE_SQL = new Set(["Parser", "Binder", "Catalog", "Syntax"]);

/** When an error arose: while the statement was parsed and bound, or later, with rows at hand. */
export type Phase = "preparing" | "running";

export function readFailure(error: unknown, phase: Phase): Failure {
  const text = error instanceof Error ? error.message : String(error);
  const parsed = parse(text);
  const type = parsed.exception_type ?? "";
  const message = parsed.exception_message ?? text;
  const byte = parsed.position === undefined ? null : Number(parsed.position);
  const failed = (said: string): Failure => ({ kind: "failed", message: said, byte });
  if (type === "Out of Memory" || /out of memory|bad_alloc|could not allocate/i.test(text))
    return { kind: "memory", message: "The query ran out of memory.", byte: null };
  if (type === "IO") return failed("A file of the table could not be read. Ask again.");
  if (type === "Permission" || /disabled by configuration|has been locked/i.test(message))
    return failed("The engine refused access outside of the tables.");
  if (phase === "preparing" && ABOUT_THE_SQL.has(type)) return failed(withoutPaths(firstLines(message)));
  return failed(ownText(type, message));
}

function parse(text: string): EngineError {
  const at = text.indexOf("{");
  if (at < 0) return {};
  try {
    return JSON.parse(text.slice(at)) as EngineError;
  } catch {
    return {};
  }
}

/** Without the engine's advice, which names functions, settings and tables of its own that are not allowed here. */
function firstLines(message: string): string {
  return message.split(/\nDid you mean |\n\n|\n\* |\nLINE | Use "SET | to revert | \(use "SET /i)[0]!.trim();
}

function withoutPaths(message: string): string {
  return message.replace(/(?:[A-Za-z]:)?(?:[/\\][^\s'"/\\]+){2,}/g, "…");
}

/** [what the engine's text must look like, what is said instead]. `$1` may only be a type of the list below. */
const TEXTS: readonly (readonly [RegExp, string])[] = [
  [/^Could not convert string .* to ([A-Z0-9_]+)(?: when casting.*)?$/s, "a text is no $1"],
  [/^Could not cast value .* to (DECIMAL)\(\d+,\d+\)/s, "a number does not fit into the $1"],
  [
    /^Type \S+ with value .* out of range for the destination type ([A-Z0-9]+)$/s,
    "a number does not fit into $1",
  ],
  [/^Type \S+ with value .* can't be cast to the destination type/s, "a value is not of the type asked for"],
  [/^invalid (date) field format/s, "a text is no DATE (YYYY-MM-DD)"],
  [/^invalid (timestamp) field format/s, "a text is no TIMESTAMP (YYYY-MM-DD HH:MM:SS)"],
  [/^(?:date|time|timestamp) field value out of range/s, "a date or time is out of range"],
  [/^Malformed JSON/s, "a text is no JSON"],
  [/^Could not parse string .* according to format/s, "a text does not follow the time format"],
  [/^Failed to parse format specifier/s, "the time format is not understood"],
  [/^extract specifier .* not recognized/s, "a part of a date has an unknown name"],
  [/^Unknown TimeZone/s, "a time zone is unknown"],
  [/^Overflow in (addition|subtraction|multiplication|division|negation)/s, "an overflow in $1"],
  [/^cannot take (?:square root|logarithm) of/s, "a square root or logarithm of a number that has none"],
  [/^(?:missing|invalid|no argument|unexpected|bad) .*:/s, "a regular expression is not understood"],
  [/^Map keys must be unique/s, "the keys of a map must be unique"],
  [/^More than one row returned by a subquery/s, "a subquery used as a value gave more than one row"],
  [/^Could not decode string .* as base64/s, "a text is no base64"],
  [/^Date out of range/s, "a date is out of range"],
  [/^Cannot create a string of size/s, "a text would be longer than the engine can hold"],
  [/^Max expression depth limit/s, "the expression is nested too deep"],
  [/^Index .* out of (?:range|bounds)/s, "an index is out of range"],
];

/** What a text above may repeat of the engine's. */
const NAMED = new Set(
  `BOOL INT8 INT16 INT32 INT64 INT128 UINT8 UINT16 UINT32 UINT64 UINT128 FLOAT DOUBLE DECIMAL DATE TIME TIMESTAMP
  INTERVAL UUID BLOB BIT VARCHAR date timestamp addition subtraction multiplication division negation`.split(
    /\s+/,
  ),
);

const KINDS: Readonly<Record<string, string>> = {
  Conversion: "a value cannot be converted; TRY_CAST gives NULL instead",
  "Out of Range": "a value is out of range",
  "Invalid Input": "a function was given a value that it does not take",
  "Not implemented": "the engine does not support this",
  Constraint: "a constraint does not hold",
  Interrupt: "the query was interrupted",
};

function ownText(type: string, message: string): string {
  for (const [pattern, said] of TEXTS) {
    const found = pattern.exec(message);
    if (!found || (found[1] !== undefined && !NAMED.has(found[1]))) continue;
    const hint = type === "Conversion" ? "; TRY_CAST gives NULL instead" : "";
    return `${type}: ${said.replace("$1", found[1] ?? "")}${hint}.`;
  }
  const kind = KINDS[type];
  return kind ? `${type}: ${kind}.` : "The query failed while rows were read.";
}
