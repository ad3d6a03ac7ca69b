/** Reads the engine's errors (`errors_as_json`) and takes data values out of their texts. */
import type { Failure } from "./protocol.ts";

interface EngineError {
  readonly exception_type?: string;
  readonly exception_message?: string;
  readonly position?: string;
}

/** Errors that arise before any row is read: their texts quote the SQL and the names in it, never a value. */
const BEFORE_ROWS = new Set(["Parser", "Binder", "Catalog", "Syntax", "Not implemented"]);

export function readFailure(error: unknown): Failure {
  const text = error instanceof Error ? error.message : String(error);
  const parsed = parse(text);
  const type = parsed.exception_type ?? "";
  const message = parsed.exception_message ?? text;
  const byte = parsed.position === undefined ? null : Number(parsed.position);
  if (type === "Out of Memory" || /out of memory/i.test(text))
    return { kind: "memory", message: "The query ran out of memory.", byte: null };
  if (type === "IO")
    return { kind: "failed", message: "A file of the table could not be read. Ask again.", byte: null };
  if (type === "Permission" || /disabled by configuration|locked/i.test(message))
    return { kind: "failed", message: "The engine refused access outside of the tables.", byte: null };
  if (BEFORE_ROWS.has(type)) return { kind: "failed", message: firstLines(message), byte };
  return { kind: "failed", message: `${type}${type ? ": " : ""}${redact(firstLines(message))}`, byte };
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

/** Without the engine's advice, which names functions and tables of its own that are not allowed here. */
function firstLines(message: string): string {
  return message.split(/\nDid you mean |\n\n|\n\* |\nLINE /)[0]!.trim();
}

/** Values stand in quotes or parentheses, or are numbers. */
function redact(message: string): string {
  return message
    .replace(/'(?:[^']|'')*'|"[^"]*"/g, "'…'")
    .replace(/\([^()]*\)/g, "(…)")
    .replace(/(?<![A-Za-z_0-9])[-+]?\d[\d.eE+-]*/g, "…");
}
