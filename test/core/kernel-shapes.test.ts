import { expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import type { ScanPlan } from "../../core/kernel.ts";
import { packRecords } from "../../core/record.ts";
import { Dice, randomString, spell, spellString, type Json } from "../core-as/documents.ts";
import { judge } from "../core-as/json-model.ts";
import { SECRET, same, testKernel } from "../core-as/support.ts";

// The kernel predicts keys from events of the same plan. Nobody may be able to tell: every record is judged,
// and every value found, as if it were the first.

const SEED = Number(process.env["SEED"] ?? 20_260_305);
const LIMITS = { maxBytes: 100_000, maxDepth: 8 };
const encoder = new TextEncoder();
const kernel = testKernel();

const PATHS = [
  ["id"],
  ["meta"],
  ["meta", "id"],
  ["meta", "a_key_of_fifteen"],
  ["list"],
  ["list", "id"],
  ["x"],
];

function planOf(): ScanPlan {
  return kernel.plan(
    PATHS.map((keys) => ({ keys, kind: "text" })),
    LIMITS,
  );
}

function lookUp(value: Json, keys: readonly string[]): Json | undefined {
  let at: Json | undefined = value;
  for (const key of keys) {
    if (at === null || typeof at !== "object" || Array.isArray(at)) return undefined;
    at = at[key];
  }
  return at;
}

/** Scans texts with a plan that has a history, in batches of `size`, and compares with the models. */
function check(plan: ScanPlan, texts: readonly string[], size: number): void {
  for (let from = 0; from < texts.length; from += size) {
    const part = texts.slice(from, from + size);
    const payloads = part.map((text) => encoder.encode(text));
    const scan = kernel.scanRecords(plan, packRecords(payloads.map((payload) => ({ payload }))), SECRET);
    const { verdicts, errorAt } = scan;
    part.forEach((text, i) => {
      const verdict = verdicts[i] === 0 ? "ok" : kernel.verdictCode(verdicts[i]!).replace("event.", "");
      const context = `seed ${SEED}, record ${from + i}: ${text}`;
      same({ verdict, at: errorAt[i] }, judge(payloads[i]!, LIMITS), context);
      if (verdict !== "ok" || i % 7 !== 0) return;
      const parsed = JSON.parse(text) as Json;
      PATHS.forEach((keys, path) => {
        const wanted = lookUp(parsed, keys);
        const found = scan.text(path, i);
        const isText = typeof wanted === "string" || wanted === undefined;
        same(isText ? found : JSON.parse(found!), wanted ?? null, `${context}, ${keys.join(".")}`);
      });
    });
  }
}

test("keys in any order, with any left out, repeated, or spelled otherwise", () => {
  const dice = new Dice(seededRandomness(SEED));
  const keys = [
    "id",
    "meta",
    "list",
    "x",
    "a_key_of_thirte",
    "a_key_of_fourtee",
    "a_key_of_fifteen",
    "xy",
    "",
  ]
    .concat([
      "a_key_of_sixteen",
      "a_key_that_is_longer_than_two_vectors",
      "a_key_that_is_longer_than_two_vectorz",
    ])
    .concat([
      "é",
      'a"b',
      'a":',
      "a\\",
      "\n",
      "k".repeat(254),
      "k".repeat(255),
      "k".repeat(256),
      "k".repeat(300),
    ]);
  const value = (depth: number): Json => {
    const kind = dice.roll(depth > 0 ? 6 : 3);
    if (kind === 0) return dice.roll(100);
    if (kind === 1) return randomString(dice, 10);
    if (kind === 2) return null;
    if (kind === 3) return Array.from({ length: dice.roll(3) }, () => value(depth - 1));
    return object(depth);
  };
  const object = (depth: number): Json => {
    const count = dice.roll(7);
    // mostly the same order, so that predictions are right and then are not
    const chosen = dice.chance(0.6)
      ? keys.slice(0, count).filter(() => dice.chance(0.9))
      : Array.from({ length: count }, () => dice.pick(keys));
    return Object.fromEntries(chosen.map((key) => [key, value(depth - 1)]));
  };
  const texts = Array.from({ length: 20_000 }, () => spell(dice, object(3), dice.chance(0.1) ? 0.5 : 0));
  check(planOf(), texts, 500);
});

test("a learned key is not taken for a prefix, a longer key, or text that breaks out of it", () => {
  const plan = planOf();
  const good = ['{"id":1,"meta":{"id":2}}', '{"a\\"b":1,"id":2}', '{"id":1,"a_key_of_fifteen":{"id":1}}'];
  const bad = [
    '{"id:1}',
    '{"id" 1}',
    '{"idx":1,"id":2,"id":3}',
    '{"i":1,"id":2}',
    '{"id":1,"meta":{"id":2,"id":3}}',
  ]
    .concat([
      '{"a"b":1}',
      '{"a"b":1,"id":2}',
      '{"id" : 1, "id": 2}',
      '{"id":1,"id":2}',
      '{"id":1"meta":{}}',
      '{"id":1,"meta"',
    ])
    .concat(['{"id":1,"\\u0069d":2}', '{"\\u0069d":1,"id":2}', '{"id":1,"a_key_of_fifteem":{"id":1}}'])
    .concat([
      '{"id":1,"a_key_of_fifteen" :{"id":1,"id":1}}',
      '{"id":1,"a_key_of_fifteen"',
      '{"id":1,"a_key_of_fiftee',
    ]);
  const rounds = Array.from({ length: 50 }, (_, i) => [
    ...good,
    bad[i % bad.length]!,
    ...good,
    ...bad,
  ]).flat();
  check(plan, rounds, 7);
});

test("an object and the objects of an array at the same place lead to different paths", () => {
  const texts = [
    '{"meta":{"id":"a"}}',
    '{"meta":[{"id":"b"}]}',
    '{"meta":[[{"id":"c"}]]}',
    '{"list":[{"id":"d"}],"id":"e"}',
  ];
  check(
    planOf(),
    Array.from({ length: 40 }, (_, i) => texts[(i * 7 + (i >> 2)) % 4]!),
    3,
  );
});

test("more shapes than there is room for: dictionaries, then ordinary events again", () => {
  const dice = new Dice(seededRandomness(SEED + 1));
  const plan = planOf();
  const ordinary = '{"id":"1","meta":{"id":2,"a_key_of_fifteen":"x"},"list":[{"id":3}]}';
  const dictionary = (): string => {
    const entries = Array.from(
      { length: dice.roll(60) },
      () => `${spellString(dice, dice.uuid())}:{"id":1,"x":[]}`,
    );
    if (entries.length > 0 && dice.chance(0.2)) entries.push(dice.pick(entries));
    return `{"meta":{${entries.join(",")}},"id":1${dice.chance(0.1) ? ',"id":2' : ""}}`;
  };
  const before = kernel.usedBytes;
  for (let round = 0; round < 12; round++) {
    check(plan, Array.from({ length: 400 }, dictionary), 100);
    check(
      plan,
      Array.from({ length: 20 }, () => ordinary),
      20,
    );
  }
  // 2048 shapes of at most some hundred bytes, and scratch memory
  expect(kernel.usedBytes - before).toBeLessThan(2 << 20);
  plan.destroy();
});

test("destroying a plan gives back what it learned", () => {
  const dice = new Dice(seededRandomness(SEED + 2));
  const texts = Array.from({ length: 200 }, () =>
    spell(dice, { id: 1, [dice.uuid()]: { [dice.uuid()]: [{ x: 1 }] } }),
  );
  check(planOf(), texts, 50); // scratch memory has its size now
  const before = kernel.usedBytes;
  const plan = planOf();
  check(plan, texts, 50);
  expect(kernel.usedBytes).toBeGreaterThan(before + 2000);
  plan.destroy();
  expect(kernel.usedBytes).toBe(before);
});
