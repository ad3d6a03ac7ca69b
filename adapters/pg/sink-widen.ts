/**
 * Columns of a table of Muara's own that cannot hold any more what comes: the source's type has become a wider one, in
 * whose values the form of them has not changed. They are made wider, which takes all of their values along; what the
 * owner of the table has made of a column otherwise is left as it is.
 */
import type { TargetColumn } from "./sink-columns.ts";
import { quoted } from "./sink-types.ts";

export interface WidenedColumn {
  readonly name: string;
  /** As DDL writes it. */
  readonly type: string;
  /** What becomes of its values. */
  readonly using: string;
}

const NUMERIC = /^numeric\((\d+),(\d+)\)$/;
/** Whole numbers: the digits that they may have. */
const WHOLE: Readonly<Record<string, number>> = { integer: 10, bigint: 19 };
/** Hold any text as it is, or are what somebody has made of a column. */
const TEXTS = /^(text|character|citext|name$)/;

/** @param present types by name, as format_type() has them */
export function narrowColumns(
  present: ReadonlyMap<string, string>,
  columns: readonly TargetColumn[],
): readonly WidenedColumn[] {
  return columns.flatMap(({ name, type: wanted }): readonly WidenedColumn[] => {
    const found = present.get(name);
    if (found === undefined || found === wanted) return [];
    const type = widerThan(found, wanted);
    return type === undefined ? [] : [{ name, type, using: usingOf(quoted(name), found, type) }];
  });
}

/** @returns undefined where the column stays as it is */
function widerThan(found: string, wanted: string): string | undefined {
  const [ours, theirs] = [digitsOf(found), digitsOf(wanted)];
  if (theirs && NUMERIC.test(wanted)) return ours && widerNumeric(ours, theirs);
  if (wanted === "text") return TEXTS.test(found) ? undefined : wanted;
  if (wanted === "text[]") return found.endsWith("[]") && !TEXTS.test(found) ? wanted : undefined;
  if (wanted === "jsonb") return found === "json" || found.endsWith("[]") ? wanted : undefined;
  return undefined;
}

interface Digits {
  readonly whole: number;
  readonly scale: number;
}

function digitsOf(type: string): Digits | undefined {
  if (Object.hasOwn(WHOLE, type)) return { whole: WHOLE[type]!, scale: 0 };
  const match = NUMERIC.exec(type);
  return match ? { whole: Number(match[1]) - Number(match[2]), scale: Number(match[2]) } : undefined;
}

function widerNumeric(ours: Digits, theirs: Digits): string | undefined {
  if (ours.whole >= theirs.whole && ours.scale >= theirs.scale) return undefined;
  const scale = Math.max(ours.scale, theirs.scale);
  return `numeric(${Math.max(ours.whole, theirs.whole) + scale},${scale})`;
}

function usingOf(name: string, found: string, type: string): string {
  if (type !== "jsonb") return `${name}::${type}`;
  return found === "json" ? `${name}::jsonb` : `to_jsonb(${name})`;
}
