/** Nexmark's lines as files, in a folder per event type. */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { NEXMARK_KINDS, nexmarkEvents, type NexmarkOptions, nexmarkType } from "./events.ts";

const LINES_AT_ONCE = 2_000;

export function nexmarkFile(folder: string, kind: (typeof NEXMARK_KINDS)[number]): string {
  return join(folder, nexmarkType(kind), "events.ndjson");
}

/** @returns newest event time, ms */
export function writeNexmark(folder: string, options: Partial<NexmarkOptions>): number {
  const files = NEXMARK_KINDS.map((kind) => {
    mkdirSync(join(folder, nexmarkType(kind)), { recursive: true });
    return { kind, file: openSync(nexmarkFile(folder, kind), "w"), lines: [] as string[] };
  });
  let newestMs = -Infinity;
  const write = (one: (typeof files)[number]): void => {
    if (one.lines.length > 0) writeSync(one.file, `${one.lines.join("\n")}\n`);
    one.lines.length = 0;
  };
  for (const { kind, line, timeMs } of nexmarkEvents(options)) {
    newestMs = Math.max(newestMs, timeMs);
    const one = files[NEXMARK_KINDS.indexOf(kind)]!;
    if (one.lines.push(line) >= LINES_AT_ONCE) write(one);
  }
  for (const one of files) {
    write(one);
    closeSync(one.file);
  }
  return newestMs;
}
