import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { packRecords } from "../../core/record.ts";
import { Dice, mutate, randomObject, randomValue, spell } from "../core-as/documents.ts";
import { judge, syntaxErrorAt } from "../core-as/json-model.ts";
import { SECRET, same, testKernel } from "../core-as/support.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_301);
const LIMITS = { maxBytes: 700, maxDepth: 4 };
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const kernel = testKernel();
const plan = kernel.plan([{ keys: ["metadata", "id"], kind: "id" }], LIMITS);

/** The kernel's judgement of each record, in the model's words. */
function scan(records: readonly Uint8Array[], limits = LIMITS): { verdict: string; at: number }[] {
  const used = limits === LIMITS ? plan : kernel.plan([], limits);
  const result = kernel.scanRecords(used, packRecords(records.map((payload) => ({ payload }))), SECRET);
  const judged = Array.from(result.verdicts, (verdict, i) => ({
    verdict: verdict === 0 ? "ok" : kernel.verdictCode(verdict).replace("event.", ""),
    at: result.errorAt[i]!,
  }));
  if (used !== plan) used.destroy();
  return judged;
}

function expectSame(records: readonly Uint8Array[], limits = LIMITS): Map<string, number> {
  const counts = new Map<string, number>();
  scan(records, limits).forEach((judged, i) => {
    const wanted = judge(records[i]!, limits);
    counts.set(wanted.verdict, (counts.get(wanted.verdict) ?? 0) + 1);
    if (judged.verdict !== wanted.verdict || judged.at !== wanted.at) {
      const text = JSON.stringify(decoder.decode(records[i]));
      same(judged, wanted, `seed ${SEED}: ${text} ${records[i]!.join(" ")}`);
    }
  });
  return counts;
}

/** A document that mutations can make too deep, too large or not an object. */
function document(dice: Dice): Uint8Array {
  const value = dice.chance(0.9) ? randomObject(dice, 5) : randomValue(dice, 5);
  return encoder.encode(spell(dice, value, 0.02));
}

describe("verdicts", () => {
  test("equal the model's for 200,000 mutations", () => {
    const dice = new Dice(seededRandomness(SEED));
    const total = new Map<string, number>();
    for (let batch = 0; batch < 50; batch++) {
      const documents = Array.from({ length: 200 }, () => document(dice));
      const records = Array.from({ length: 4000 }, (_, i) => {
        let bytes = documents[i % documents.length]!;
        const damages = i < documents.length ? 0 : dice.pick([1, 1, 1, 2, 3]);
        for (let k = 0; k < damages; k++) bytes = mutate(dice, bytes);
        return bytes;
      });
      for (const [verdict, count] of expectSame(records))
        total.set(verdict, (total.get(verdict) ?? 0) + count);
    }
    // a corpus that never reaches a rule proves nothing about it
    for (const [verdict, least] of Object.entries({
      ok: 20_000,
      not_json: 20_000,
      not_object: 1000,
      utf8: 1000,
      surrogate: 200,
      duplicate_key: 200,
      too_deep: 200,
      too_large: 200,
    })) {
      expect([verdict, (total.get(verdict) ?? 0) > least]).toEqual([verdict, true]);
    }
  });

  test("equal the model's for every byte value at every place of one document", () => {
    const text = ' {"a\\u00e9":"x\\ud83d\\ude80é🚀","n":[-1.5e+7,0,true,null],"o":{"k":{},"l":[]}}\n';
    const whole = encoder.encode(text);
    for (let at = 0; at < whole.length; at++) {
      const records = Array.from({ length: 256 }, (_, value) => whole.with(at, value));
      expectSame(records);
    }
    expectSame(Array.from(whole, (_, length) => whole.slice(0, length)));
  });

  test("the model's grammar is JSON.parse's", () => {
    const dice = new Dice(seededRandomness(SEED + 1));
    for (let i = 0; i < 20_000; i++) {
      const bytes = mutate(dice, document(dice));
      let isJson = true;
      try {
        JSON.parse(decoder.decode(bytes));
      } catch {
        isJson = false;
      }
      same(syntaxErrorAt(bytes) === -1, isJson, decoder.decode(bytes));
    }
  });

  test("strings of every length around the width of a vector", () => {
    const records: Uint8Array[] = [];
    for (let length = 0; length < 70; length++) {
      for (const tail of ["", "\\n", "é", "\\ud800", '"', "\u0001"]) {
        const filler = "x".repeat(length);
        records.push(encoder.encode(`{"${filler}${tail}":1}`), encoder.encode(`{"k":"${filler}${tail}"}`));
        records.push(encoder.encode(`{"${filler}":1,"${filler}${tail}":2}`));
      }
    }
    expectSame(records);
  });

  test("depth: as many levels as the limit, not one more", () => {
    for (const maxDepth of [1, 2, 64, 1024, 5000]) {
      const nested = (levels: number): Uint8Array =>
        encoder.encode(`{"a":${"[".repeat(levels - 1)}0${"]".repeat(levels - 1)}}`);
      const objects = (levels: number): Uint8Array =>
        encoder.encode(`${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`);
      const limits = { maxBytes: 100_000, maxDepth };
      const judged = scan(
        [maxDepth, maxDepth + 1].flatMap((levels) => [nested(levels), objects(levels)]),
        limits,
      );
      expect(judged.map(({ verdict }) => verdict)).toEqual(["ok", "ok", "too_deep", "too_deep"]);
    }
  });

  test("depth: a million levels are judged like any other text", () => {
    const limits = { maxBytes: 10_000_000, maxDepth: 64 };
    const open = "[".repeat(1_000_000);
    const close = "]".repeat(1_000_000);
    const texts = [`{"a":${open}${close}}`, `{"a":${open}${close.slice(1)}}`, open, `{"a":${open}}${close}`];
    const judged = scan(
      texts.map((text) => encoder.encode(text)),
      limits,
    );
    expect(judged).toEqual([
      { verdict: "too_deep", at: 5 + 63 },
      { verdict: "not_json", at: 5 + 1_999_999 },
      { verdict: "not_json", at: 1_000_000 },
      { verdict: "not_json", at: 5 + 1_000_000 },
    ]);
  });

  test("size outranks everything, syntax outranks meaning", () => {
    const limits = { maxBytes: 19, maxDepth: 2 };
    const texts = ["x".repeat(21), '{"a":"\\ud800"', '["\\ud800"]', '{"a":1,"a":"\\ud800"}'];
    expect(scan(texts.map((text) => encoder.encode(text))).map(({ verdict }) => verdict)).toEqual([
      "not_json",
      "not_json",
      "not_object",
      "duplicate_key",
    ]);
    expect(
      scan(
        texts.map((text) => encoder.encode(text)),
        limits,
      ).map(({ verdict }) => verdict),
    ).toEqual(["too_large", "not_json", "not_object", "too_large"]);
  });
});

/** An object with two keys, the first one also inside of a value. */
function record([a, b]: readonly [string, string]): Uint8Array {
  return encoder.encode(`{"${a}":1,"z":{"${a}":2},"${b}":3}`);
}

describe("repeated keys", () => {
  const limits = { maxBytes: 50_000_000, maxDepth: 64 };

  test("are found among very many, in time that grows with their number", () => {
    const keys = Array.from({ length: 300_000 }, (_, i) => `"k${i}":${i}`);
    const unique = encoder.encode(`{${keys.join(",")}}`);
    const repeated = encoder.encode(`{${[...keys, '"k\\u0031":0'].join(",")}}`);
    const nested = encoder.encode(
      `{"a":{${keys.join(",")}},"b":{${keys.join(",")}},"c":[{},{"k1":1}],"a":1}`,
    );
    const cost = (count: number): number => {
      const part = encoder.encode(`{${keys.slice(0, count).join(",")}}`);
      let best = Infinity;
      for (let i = 0; i < 5; i++) {
        const before = process.cpuUsage();
        scan([part], limits);
        const spent = process.cpuUsage(before);
        best = Math.min(best, spent.user + spent.system);
      }
      return best;
    };
    const judged = scan([unique, repeated, nested, unique], limits);
    expect(judged.map(({ verdict }) => verdict)).toEqual(["ok", "duplicate_key", "duplicate_key", "ok"]);
    expect(judged[1]!.at).toBe(repeated.length - '"k\\u0031":0}'.length);
    expect(judged[2]!.at).toBe(nested.length - '"a":1}'.length);
    // sixteen times the keys: a quadratic search would take 256 times as long
    expect(cost(256_000)).toBeLessThan(100 * Math.max(cost(16_000), 500));
  });

  test("are compared after unescaping, byte by byte", () => {
    const long = "é".repeat(300);
    const equal: [string, string][] = [
      ["a", "\\u0061"],
      ["/", "\\/"],
      ["🚀", "\\uD83D\\ude80"],
      ["\\n", "\\u000a"],
      ["", ""],
      [long, `${long.slice(1)}\\u00e9`],
      ["a_key_of_sixteen", "a_key_of_sixtee\\u006e"],
    ];
    const different: [string, string][] = [
      ["a", "A"],
      ["a", "a\\u0000"],
      ["", "\\u0000"],
      ["é", "e\\u0301"],
      [long, `${long}x`],
      ["x".repeat(256), "x".repeat(257)],
    ];
    expect(new Set(scan(equal.map(record), limits).map(({ verdict }) => verdict))).toEqual(
      new Set(["duplicate_key"]),
    );
    const others = scan(different.map(record), limits).map(({ verdict }) => verdict);
    expect(others).toEqual(["ok", "ok", "ok", "ok", "ok", "ok"]);
  });
});
