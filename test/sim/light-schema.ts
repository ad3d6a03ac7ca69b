/**
 * workers/ingest/payload-schema.ts with a memory: every door compiles the schemas of its event types, and what comes
 * out depends on the declaration alone. `hooks.ts` puts it in the place of the original.
 */
import type { EventType } from "../../core/event-type.ts";
import { compilePayloadSchema as compile, type PayloadCheck } from "../../workers/ingest/payload-schema.ts";

export { effectiveSchema, type PayloadCheck, type Violation } from "../../workers/ingest/payload-schema.ts";

const known = new Map<string, PayloadCheck | null>();

export function compilePayloadSchema(type: EventType): PayloadCheck | null {
  const { schema, category, compatibility_mode } = type;
  const key = JSON.stringify([schema.schema, category, compatibility_mode]);
  const found = known.get(key);
  if (found !== undefined) return found;
  const check = compile(type);
  known.set(key, check);
  return check;
}
