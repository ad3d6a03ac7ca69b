/**
 * `npm run proof:json -- [--count 10000000] [--seed N]`: the kernel's verdict on damaged JSON against `JSON.parse` and
 * a fatal TextDecoder. Well-formed here means: both accept. The stricter rules have oracles of their own: levels,
 * repeated keys and halves of surrogate pairs as json-reference.ts reads them, and the last two once more from what
 * `JSON.parse` made of the text. The door's way (a body of several events) and `parseJson` are held against the same.
 */
import { isDeepStrictEqual, parseArgs } from "node:util";
import { seededRandomness } from "../../core/clock.ts";
import { parseJson } from "../../core/parse-json.ts";
import { packRecords } from "../../core/record.ts";
import { Dice } from "../core-as/documents.ts";
import { SECRET, testKernel } from "../core-as/support.ts";
import { byChance, exhaustive } from "./json-mutations.ts";
import { readJson, type Reading } from "./json-reference.ts";

export const LIMITS = { maxBytes: 100_000, maxDepth: 64 };
const BATCH = 2_000;
/** One in so many is also read by `parseJson`, and stands in a body for the door. */
const SHARE = 8;

const kernel = testKernel();
const plan = kernel.plan([], LIMITS);
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** The kernel's verdict without its prefix, and how often it came. */
export type Verdicts = Map<string, number>;

export interface JsonResult {
  readonly documents: number;
  readonly verdicts: Verdicts;
  /** Of all, how many `JSON.parse` and the fatal TextDecoder accept. */
  readonly wellFormed: number;
  readonly parsed: number;
  readonly bodies: number;
}

/** @param documents how many base documents are damaged exhaustively @throws Error naming seed, text and bytes */
export function runJsonProof(
  count: number,
  seed: number,
  documents: number,
  tell: (line: string) => void = () => undefined,
): JsonResult {
  const dice = new Dice(seededRandomness(seed));
  const verdicts: Verdicts = new Map();
  const total = { documents: 0, wellFormed: 0, parsed: 0, bodies: 0 };
  const sources = [exhaustive(documents), byChance(dice)];
  const traceLimit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0; // most texts end in an exception, and nobody reads its trace
  try {
    for (const source of sources)
      while (total.documents < count) {
        const batch = take(source, Math.min(BATCH, count - total.documents));
        if (batch.length === 0) break;
        checkBatch(batch, verdicts, total, `seed ${seed}`);
        total.documents += batch.length;
        if (total.documents % 1_000_000 < BATCH) tell(`${total.documents} documents`);
      }
  } finally {
    Error.stackTraceLimit = traceLimit;
  }
  return { ...total, verdicts };
}

function take(source: Generator<Uint8Array>, count: number): Uint8Array[] {
  const taken: Uint8Array[] = [];
  while (taken.length < count) {
    const { done, value } = source.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}

/** The kernel's verdicts, `ok` for none. */
export function verdictsOf(records: readonly Uint8Array[]): string[] {
  const scan = kernel.scanRecords(plan, packRecords(records.map((payload) => ({ payload }))), SECRET);
  return Array.from(scan.verdicts, nameOf);
}

function nameOf(verdict: number): string {
  return verdict === 0 ? "ok" : kernel.verdictCode(verdict).replace("event.", "");
}

function checkBatch(
  batch: readonly Uint8Array[],
  verdicts: Verdicts,
  total: { wellFormed: number; parsed: number; bodies: number },
  where: string,
): void {
  const found = verdictsOf(batch);
  const shared: { readonly bytes: Uint8Array; readonly verdict: string }[] = [];
  batch.forEach((bytes, i) => {
    const verdict = found[i]!;
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    const fault = faultOf(bytes, verdict);
    if (fault !== undefined) throw new Error(`${where}: ${fault}: ${describe(bytes)}`);
    if (verdict !== "not_json" && verdict !== "utf8") total.wellFormed += isWellFormed(bytes) ? 1 : 0;
    if (i % SHARE !== 0) return;
    shared.push({ bytes, verdict });
    const wrong = parseFault(lenient.decode(bytes));
    if (wrong !== undefined) throw new Error(`${where}: parseJson: ${wrong}: ${describe(bytes)}`);
    total.parsed++;
  });
  for (let at = 0; at < shared.length; at += 4) {
    const wrong = bodyFault(shared.slice(at, at + 4));
    if (wrong !== undefined) throw new Error(`${where}: ${wrong}`);
    total.bodies++;
  }
}

function describe(bytes: Uint8Array): string {
  return `${JSON.stringify(lenient.decode(bytes))} = [${bytes.join(" ")}]`;
}

function isWellFormed(bytes: Uint8Array): boolean {
  try {
    JSON.parse(strict.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with the kernel's verdict; undefined where nothing is. */
export function faultOf(bytes: Uint8Array, verdict: string): string | undefined {
  const text = lenient.decode(bytes);
  const isUtf8 = isStrict(bytes);
  const parsed = parsedOf(text);
  const reading = readJson(text);
  if ((parsed === undefined) !== (reading === undefined)) return "the two oracles of the grammar disagree";
  if (parsed === undefined || reading === undefined)
    return verdict === "not_json" ? undefined : `no JSON, and the kernel says ${verdict}`;
  if (verdict === "not_json") return "JSON, and the kernel says not_json";
  const broken = brokenRules(text, parsed.value, reading);
  if (typeof broken === "string") return broken;
  if (!isUtf8) broken.add("utf8");
  if (verdict === "ok" ? broken.size === 0 : broken.has(verdict)) return undefined;
  return `the kernel says ${verdict}, the oracles ${[...broken].join(", ") || "ok"}`;
}

function isStrict(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function parsedOf(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** Which of the stricter rules a JSON text breaks, or how two oracles disagree about it. */
function brokenRules(text: string, value: unknown, reading: Reading): Set<string> | string {
  const broken = new Set<string>();
  if (!reading.isObject) broken.add("not_object");
  if (reading.depth > LIMITS.maxDepth) broken.add("too_deep");
  if (reading.hasRepeatedKey) broken.add("duplicate_key");
  if (reading.hasLoneSurrogate) broken.add("surrogate");
  const counted = countOf(text);
  if (counted.depth !== reading.depth) return "the two oracles of depth disagree";
  // V8 may misread a key of one escaped character (core/parse-json.ts); elsewhere a lost member is a repeated key.
  const isRepeated = counted.members !== membersOf(value);
  if (!counted.hasShortEscapedKey && isRepeated !== reading.hasRepeatedKey)
    return "the two oracles of repeated keys disagree";
  // What a repeated key hides is not in the value.
  if (!isRepeated && !counted.hasShortEscapedKey) {
    const hasHalf = !isWellFormedDeep(value);
    if (hasHalf !== reading.hasLoneSurrogate) return "the two oracles of surrogates disagree";
  }
  return broken;
}

/** Colons and brackets outside of strings. */
function countOf(text: string): { members: number; depth: number; hasShortEscapedKey: boolean } {
  let [members, depth, level, start] = [0, 0, 0, 0];
  let hasShortEscapedKey = false;
  for (let at = 0; at < text.length; at++) {
    const symbol = text[at]!;
    if (symbol === '"') {
      start = at++;
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      const length = at - start - 1;
      if ((length === 2 || length === 6) && text[start + 1] === "\\") hasShortEscapedKey = true;
    } else if (symbol === "{" || symbol === "[") depth = Math.max(depth, ++level);
    else if (symbol === "}" || symbol === "]") level--;
    else if (symbol === ":") members++;
  }
  return { members, depth, hasShortEscapedKey };
}

function membersOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inside = Object.values(value).reduce<number>((sum, one) => sum + membersOf(one), 0);
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

function isWellFormedDeep(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, one]) => key.isWellFormed() && isWellFormedDeep(one));
}

/** `parseJson` accepts the same texts as `JSON.parse`, and reads what the reference reads. */
function parseFault(text: string): string | undefined {
  const reading = readJson(text);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return reading === undefined ? undefined : "throws";
  }
  if (reading === undefined) return "does not throw";
  return isDeepStrictEqual(value, reading.value) ? undefined : "reads another value";
}

/** A body of several documents, as the door gets it: split where JSON.parse splits it, each judged as it was alone. */
function bodyFault(
  documents: readonly { readonly bytes: Uint8Array; readonly verdict: string }[],
): string | undefined {
  const body = Buffer.concat(documents.flatMap(({ bytes }, i) => [Buffer.from(i === 0 ? "[" : ","), bytes]));
  const whole = new Uint8Array(Buffer.concat([body, Buffer.from("]")]));
  const parsed = parsedOf(lenient.decode(whole));
  const scan = kernel.scanArray(plan, whole, SECRET, { maxItems: 1_000 });
  if (scan.failure) return parsed === undefined ? undefined : `a body is refused: ${describe(whole)}`;
  if (parsed === undefined) return `a body is not refused: ${describe(whole)}`;
  const items = parsed.value as unknown[];
  if (scan.count !== items.length) return `${scan.count} items, not ${items.length}: ${describe(whole)}`;
  // Damaged documents may make more items of a body, or hide brackets in each other's strings.
  if (items.length !== documents.length || documents.some(({ verdict }) => verdict === "not_json"))
    return undefined;
  const judged = Array.from(scan.verdicts, nameOf);
  const differs = documents.findIndex(({ verdict }, i) => verdict !== judged[i]);
  return differs < 0 ? undefined : `item ${differs} is ${judged[differs]} in a body: ${describe(whole)}`;
}

function main(): void {
  const { values } = parseArgs({
    options: { count: { type: "string", default: "10000000" }, seed: { type: "string" } },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const before = process.cpuUsage();
  const result = runJsonProof(Number(values.count), seed, Infinity, (line) => console.log(line));
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ ...result, verdicts: Object.fromEntries(result.verdicts) }, null, 2));
  console.log(`${Math.round((user + system) / 1e6)} s of CPU time`);
}

if (process.argv[1] === import.meta.filename) main();
