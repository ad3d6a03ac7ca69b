/**
 * Messages of a source's log as events: each has to be one JSON object. Where the event type has ids and the message
 * tells none, it gets one of its place in the source's log, and so the same one whenever it is read again.
 */
import { concatenate } from "../../core/bytes.ts";
import { changeId } from "../../core/change.ts";
import { hasMetadata } from "../../core/event-type.ts";
import type { Kernel } from "../../core/kernel.ts";
import { VALUE_ABSENT, VALUE_OBJECT } from "../../core/kernel-abi.ts";
import type { Scan } from "../../core/kernel-scan.ts";
import type { SourceMessage } from "../../core/ports/source.ts";
import type { Contract } from "../ingest/contract.ts";
import { scanEvents } from "../ingest/publish.ts";

const OPEN = Uint8Array.of(0x5b);
const CLOSE = Uint8Array.of(0x5d);
const COMMA = Uint8Array.of(0x2c);
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const encoder = new TextEncoder();

/** @returns undefined where some message is not one JSON value of its own */
export function scanMessages(
  kernel: Kernel,
  contract: Contract,
  messages: readonly SourceMessage[],
  incarnation: number,
): Scan | undefined {
  const contents = messages.map(({ content }) => content);
  const scan = scanContents(kernel, contract, contents);
  if (!scan || !needsMembers(scan, contract)) return scan;
  const completed = contents.map((content, item) =>
    withMembers(content, scan, item, contract, messages[item]!, incarnation),
  );
  return scanContents(kernel, contract, completed);
}

function scanContents(kernel: Kernel, contract: Contract, contents: readonly Uint8Array[]): Scan | undefined {
  const { body, starts } = joined(contents);
  const scan = scanEvents(kernel, contract, body, contents.length + 1);
  if (scan.failure || scan.count !== contents.length) return undefined;
  // A message that ends within a string goes on in the next one: then they are not what they look like.
  for (let item = 0; item < scan.count; item++) {
    const start = scan.starts[item]!;
    const isInside =
      start >= starts[item]! && start + scan.lengths[item]! <= starts[item]! + contents[item]!.length;
    if (!isInside) return undefined;
  }
  return scan;
}

function joined(contents: readonly Uint8Array[]): {
  readonly body: Uint8Array;
  readonly starts: Uint32Array;
} {
  const starts = new Uint32Array(contents.length);
  const parts: Uint8Array[] = [OPEN];
  let at = 1;
  for (const [item, content] of contents.entries()) {
    if (item > 0) parts.push(COMMA);
    at += item > 0 ? 1 : 0;
    starts[item] = at;
    parts.push(content);
    at += content.length;
  }
  parts.push(CLOSE);
  return { body: concatenate(parts, at + 1), starts };
}

function needsMembers(scan: Scan, { places }: Contract): boolean {
  if (places.id < 0) return false;
  const { types } = scan.field(places.id);
  for (let item = 0; item < scan.count; item++)
    if (scan.verdicts[item] === 0 && types[item] === VALUE_ABSENT) return true;
  return false;
}

/** The message as it is, where it has an id or is no event at all. */
function withMembers(
  content: Uint8Array,
  scan: Scan,
  item: number,
  { type, paths, places }: Contract,
  { lsn, index, commitUs }: SourceMessage,
  incarnation: number,
): Uint8Array {
  if (scan.verdicts[item] !== 0 || scan.field(places.id).types[item] !== VALUE_ABSENT) return content;
  const start = scan.starts[item]! - startOf(content, scan, item);
  const id = changeId({ incarnation, lsn, index });
  if (!hasMetadata(type))
    // Deeper ids than at the top are the owner's to give.
    return paths.id?.length === 1
      ? spliced(content, start, `${JSON.stringify(paths.id[0])}:"${id}"`)
      : content;
  const hasTime = scan.field(places.time).types[item] !== VALUE_ABSENT;
  const time = hasTime || commitUs === null ? "" : `,"occurred_at":"${instantOf(commitUs)}"`;
  const members = `"eid":"${id}"${time}`;
  const metadata = scan.field(places.metadata);
  if (metadata.types[item] === VALUE_OBJECT)
    return spliced(content, metadata.starts[item]! - startOf(content, scan, item), members);
  return metadata.types[item] === VALUE_ABSENT ? spliced(content, start, `"metadata":{${members}}`) : content;
}

/** Where the message begins in what was scanned. */
function startOf(content: Uint8Array, scan: Scan, item: number): number {
  let lead = 0;
  while (content[lead] !== OPEN_OBJECT && lead < content.length) lead++;
  return scan.starts[item]! - lead;
}

/** @param at of an object's opening brace */
function spliced(content: Uint8Array, at: number, members: string): Uint8Array {
  let next = at + 1;
  while (content[next]! <= 0x20) next++;
  const added = encoder.encode(content[next] === CLOSE_OBJECT ? members : `${members},`);
  return concatenate(
    [content.subarray(0, at + 1), added, content.subarray(at + 1)],
    content.length + added.length,
  );
}

/** @param us since 1970 UTC */
function instantOf(us: bigint): string {
  const ms = us / 1_000n;
  return `${new Date(Number(ms)).toISOString().slice(0, 23)}${String(us - ms * 1_000n).padStart(3, "0")}Z`;
}
