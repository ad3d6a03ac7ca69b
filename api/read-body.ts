/** A request's JSON body, as a schema has it. */
import type { z } from "zod";
import { MuaraError } from "../core/errors.ts";
import type { ApiContext } from "./context.ts";

/** @throws request.malformed naming the field */
export async function readBody<Schema extends z.ZodType>(
  context: ApiContext,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const checked = schema.safeParse(await context.req.json().catch(() => null));
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  const pointer = `/${issue.path.map(String).join("/")}`;
  throw new MuaraError("request.malformed", `${pointer}: ${issue.message}`, { details: { pointer } });
}
