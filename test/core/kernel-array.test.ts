import { expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { FLAG_MISSING } from "../../core/kernel-abi.ts";
import type { Scan } from "../../core/kernel.ts";
import { packRecords } from "../../core/record.ts";
import { Dice, mutate, randomObject, randomValue, spell } from "../core-as/documents.ts";
import { judge, syntaxErrorAt } from "../core-as/json-model.ts";
import { SECRET, same, testKernel } from "../core-as/support.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_303);
const LIMITS = { maxBytes: 400, maxDepth: 4 };
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const kernel = testKernel();
const plan = kernel.plan([{ keys: ["id"], kind: "id" }], LIMITS);

function bodyOf(dice: Dice, items: readonly Uint8Array[]): Uint8Array {
  const gap = (): number[] => [...encoder.encode(dice.pick(["", "", " ", "\n", "\r\n  "]))];
  const bytes = [...gap(), 91];
  items.forEach((item, i) => {
    if (i > 0) bytes.push(44);
    bytes.push(...gap(), ...item, ...gap());
  });
  return Uint8Array.from([...bytes, ...gap(), 93, ...gap()]);
}

function isSpace(byte: number): boolean {
  return [9, 10, 13, 32].includes(byte);
}

/** Without the white space around it. */
function trim(item: Uint8Array): Uint8Array {
  let end = item.length;
  while (end > 0 && isSpace(item[end - 1]!)) end--;
  let start = 0;
  while (start < end && isSpace(item[start]!)) start++;
  return item.subarray(start, end);
}

test("items of a body are split as JSON.parse does, and judged as records", () => {
  const dice = new Dice(seededRandomness(SEED));
  let whole = 0;
  let broken = 0;
  for (let round = 0; round < 2000; round++) {
    const items = Array.from({ length: dice.roll(6) }, () => {
      const value = dice.chance(0.9) ? randomObject(dice, 4) : randomValue(dice, 3);
      const item = encoder.encode(spell(dice, value, 0.03));
      return dice.chance(0.15) ? mutate(dice, item) : item;
    });
    let body = bodyOf(dice, items);
    if (dice.chance(0.1)) body = mutate(dice, body);
    const scan = kernel.scanArray(plan, body, SECRET);
    const context = `seed ${SEED}, round ${round}: ${decoder.decode(body)}`;
    const brokenAt = syntaxErrorAt(body);
    const first = body.find((byte) => !isSpace(byte));
    if (brokenAt >= 0 || first !== 91) {
      broken++;
      same(scan.failure?.code, "event.not_json", context);
      if (first === 91) same(scan.failure?.at, brokenAt, context);
      same(scan.count, 0, context);
      continue;
    }
    whole++;
    same(scan.failure, null, context);
    const parsed = JSON.parse(decoder.decode(body)) as unknown[];
    same(scan.count, parsed.length, context);
    const { starts, lengths, verdicts, errorAt } = scan;
    parsed.forEach((value, i) => {
      const item = body.subarray(starts[i], starts[i]! + lengths[i]!);
      same(JSON.parse(decoder.decode(item)), value, context);
      same(trim(item).length, item.length, context);
      const wanted = judge(item, LIMITS);
      const verdict = verdicts[i] === 0 ? "ok" : kernel.verdictCode(verdicts[i]!).replace("event.", "");
      same({ verdict, at: errorAt[i] }, wanted, context);
    });
  }
  expect(whole).toBeGreaterThan(1000);
  expect(broken).toBeGreaterThan(250);
});

test("one bad item leaves the others usable, ids and all", () => {
  const body = encoder.encode('[{"id":"a"},{"id":"b","x":1,"x":2},5,{"id":"\\ud800"},{"id":"c"}]');
  const scan = kernel.scanArray(plan, body, SECRET);
  expect(
    Array.from(scan.verdicts, (verdict) => (verdict === 0 ? "ok" : kernel.verdictCode(verdict))),
  ).toEqual(["ok", "event.duplicate_key", "event.not_object", "event.surrogate", "ok"]);
  expect([0, 1, 2, 4].map((i) => scan.text(0, i))).toEqual(["a", "b", null, "c"]);
  const [low, high] = kernel.identities(["c"], SECRET);
  expect([...scan.identities(0).subarray(8, 10)]).toEqual([low, high]);
});

function failure(text: string, maxItems = 3): Scan["failure"] {
  return kernel.scanArray(plan, encoder.encode(text), SECRET, { maxItems }).failure;
}

test("bodies that are no array, empty arrays, too many items", () => {
  expect(failure("[]")).toBeNull();
  expect(failure(" [ ] ")).toBeNull();
  expect(failure("[{},{},{}]")).toBeNull();
  expect(failure("[{},{},{},{}]")).toEqual({ code: "batch.too_many", at: 10 });
  expect(failure("")).toEqual({ code: "event.not_json", at: 0 });
  expect(failure(" {}")).toEqual({ code: "event.not_json", at: 1 });
  expect(failure("[{}")).toEqual({ code: "event.not_json", at: 3 });
  expect(failure("[{},]")).toEqual({ code: "event.not_json", at: 4 });
  expect(failure("[{}]x")).toEqual({ code: "event.not_json", at: 4 });
});

test("line breaks outside of strings become spaces, and nothing else changes", () => {
  const dice = new Dice(seededRandomness(SEED + 1));
  for (let round = 0; round < 500; round++) {
    const items = Array.from({ length: 1 + dice.roll(4) }, () =>
      encoder.encode(spell(dice, randomObject(dice, 3))),
    );
    const body = bodyOf(dice, items);
    const scan = kernel.scanArray(plan, body, SECRET, { normaliseLineBreaks: true });
    const text = decoder.decode(body);
    // no JSON string holds a raw line break, so all of them are outside
    expect(decoder.decode(scan.bytes)).toBe(text.replaceAll(/[\r\n]/g, " "));
    const untouched = kernel.scanArray(plan, body, SECRET);
    expect(decoder.decode(untouched.bytes)).toBe(text);
  }
  const records = packRecords([{ payload: encoder.encode('{\n"a"\r\n:\n[\n1\r,2]\n}\n') }]);
  const scan = kernel.scanRecords(plan, records, SECRET, { normaliseLineBreaks: true });
  expect(decoder.decode(scan.bytes)).toBe('{ "a"  : [ 1 ,2] } ');
});

test("columns hold nothing of the scan before", () => {
  const full = kernel.plan(
    [
      { keys: ["id"], kind: "id", javaHash: true },
      { keys: ["t"], kind: "time" },
    ],
    LIMITS,
  );
  const rich = '{"id":"x","t":"2026-03-01T00:00:00.1234567Z","a":1,"a":2}';
  kernel.scanArray(full, encoder.encode(`[${Array.from({ length: 400 }, () => rich).join(",")}]`), SECRET);
  const scan = kernel.scanArray(
    full,
    encoder.encode(`[${Array.from({ length: 90 }, () => "{}").join(",")}]`),
    SECRET,
  );
  const { types, starts, lengths } = scan.field(0);
  const columns = [
    scan.verdicts,
    scan.errorAt,
    types,
    starts,
    lengths,
    scan.javaHashes(0),
    scan.field(1).types,
  ];
  for (const column of columns) expect([...column]).toEqual(Array.from({ length: 90 }, () => 0));
  for (const column of [scan.identities(0), scan.timesUs(1)])
    expect(column.every((word) => word === 0n)).toBe(true);
  expect([...scan.field(1).flags]).toEqual(Array.from({ length: 90 }, () => FLAG_MISSING));
});

test("records share bytes with keys, headers and each other", () => {
  const bytes = encoder.encode('x{"id":"a"}{"id":"b"}yz');
  const index = Uint32Array.from([
    1, 10, 0, 1, 22, 1, 11, 10, 0, 0xffff_ffff, 0, 0, 1, 10, 0, 1, 0, 1, 1, 20, 0, 1, 0, 1,
  ]);
  const scan = kernel.scanRecords(plan, { count: 4, bytes, index }, SECRET);
  expect([...scan.verdicts]).toEqual([0, 0, 0, 1]);
  expect([...scan.errorAt]).toEqual([0, 0, 0, 10]);
  expect(scan.bytes).toEqual(bytes);
  const outside = { count: 1, bytes, index: Uint32Array.from([20, 10, 0, 0, 0, 0]) };
  expect(() => kernel.scanRecords(plan, outside, SECRET)).toThrow("points outside");
});
