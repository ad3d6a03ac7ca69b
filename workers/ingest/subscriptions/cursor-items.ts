/** Cursors of subscriptions in bodies of requests: committed ones, and those to reset to, by offset or by time. */
import { z } from "zod";
import { MuaraError } from "../../../core/errors.ts";
import type { Log } from "../../../core/ports/log.ts";
import { parseOffset, parsePartition } from "../cursors/offset-text.ts";
import type { Commit } from "./committer.ts";
import type { Part } from "./store.ts";

const text = z.string().min(1).max(255);
const ITEMS_MAX = 10_000;

const commitBody = z.object({
  items: z
    .array(z.object({ event_type: text, partition: text, offset: text, cursor_token: z.string().optional() }))
    .max(ITEMS_MAX),
});

/** Beyond Nakadi: a time in the place of an offset; all partitions, or all event types, where none is named. */
const resetItem = z.union([
  z.object({ event_type: text, partition: text, offset: text }),
  z.object({
    event_type: text.optional(),
    partition: text.optional(),
    timestamp: z.iso.datetime({ offset: true }),
  }),
]);
const resetBody = z.object({ items: z.array(resetItem).max(ITEMS_MAX) });

export type CursorItem = z.infer<typeof commitBody>["items"][number];

/** @throws cursor.invalid */
export function parseCommits(body: unknown): {
  readonly items: readonly CursorItem[];
  readonly commits: readonly Commit[];
} {
  const { items } = parsed(commitBody, body);
  if (items.length === 0) throw invalid("items: there is no cursor");
  const commits = items.map((item): Commit => {
    const partition = parsePartition(item.partition);
    const offset = parseOffset(item.offset, 0);
    if (partition === undefined || offset === undefined)
      throw invalid("items: a partition or an offset is none");
    return { eventType: item.event_type, partition, offset };
  });
  return { items, commits };
}

/**
 * @returns by partition of the subscription the offset to be read next; [] where nothing is asked
 * @throws cursor.invalid
 */
export async function parseReset(
  log: Log,
  parts: readonly Part[],
  body: unknown,
): Promise<readonly (readonly [Part, number])[]> {
  const { items } = parsed(resetBody, body);
  const positions: (readonly [Part, number])[] = [];
  for (const item of items) {
    const meant = parts.filter(
      ({ type, partition }) =>
        (item.event_type === undefined || type.name === item.event_type) &&
        (item.partition === undefined || String(partition) === item.partition),
    );
    if (meant.length === 0) throw invalid("items: the subscription has no such partition");
    for (const part of meant) {
      const { startOffset, endOffset } = await log.bounds(part.type.name, part.partition);
      if ("timestamp" in item) {
        const at = await log.offsetAt(part.type.name, part.partition, Date.parse(item.timestamp));
        positions.push([part, Math.max(at, startOffset)]);
        continue;
      }
      const offset = parseOffset(item.offset, startOffset);
      if (offset === undefined || offset < startOffset - 1 || offset >= endOffset)
        throw invalid(`items: partition ${part.partition} of "${part.type.name}" cannot be read from there`);
      positions.push([part, offset + 1]);
    }
  }
  return positions;
}

function parsed<Shape extends z.ZodType>(shape: Shape, body: unknown): z.infer<Shape> {
  const outcome = shape.safeParse(body);
  if (outcome.success) return outcome.data;
  const issue = outcome.error.issues[0]!;
  throw invalid(`${issue.path.map(String).join(".") || "(body)"}: ${issue.message}`);
}

function invalid(reason: string): MuaraError {
  return new MuaraError("cursor.invalid", `${reason}.`);
}
