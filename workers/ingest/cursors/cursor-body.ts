/** Bodies of requests about cursors. */
import { z } from "zod";
import { MuaraError } from "../../../core/errors.ts";

const CURSORS_MAX = 10_000;
const text = z.string().min(1).max(64);
const cursor = z.object({ partition: text, offset: text });

export const cursorsBody = z.array(cursor).min(1).max(CURSORS_MAX);
export const distancesBody = z
  .array(z.object({ initial_cursor: cursor, final_cursor: cursor }))
  .min(1)
  .max(CURSORS_MAX);
export const shiftsBody = z
  .array(cursor.extend({ shift: z.int() }))
  .min(1)
  .max(CURSORS_MAX);

/** @throws cursor.invalid naming the field */
export function parseCursors<Shape extends z.ZodType>(shape: Shape, body: unknown): z.infer<Shape> {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = issue.path.map(String).join(".") || "(body)";
  throw new MuaraError("cursor.invalid", `${field}: ${issue.message}.`, { details: { field } });
}
