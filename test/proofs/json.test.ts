/**
 * The short form of `npm run proof:json`, and the ambiguities of JSON that parsers are known to disagree about, each
 * with the verdict that this door gives.
 */
import { describe, expect, test } from "vitest";
import { faultOf, LIMITS, runJsonProof, verdictsOf } from "./json.ts";
import { readJson } from "./json-reference.ts";

const COUNT = 200_000;
const SEED = Number(process.env["SEED"] ?? 20_261_121);
const encoder = new TextEncoder();

test(`${COUNT} mutations: as JSON.parse, a fatal TextDecoder and the rules' own oracles say`, () => {
  const { documents, verdicts, wellFormed, parsed, bodies } = runJsonProof(COUNT, SEED, 1);
  expect(documents).toBe(COUNT);
  // A rule that the mutations never reach is not tested.
  for (const [verdict, least] of Object.entries({
    ok: 20_000,
    not_json: 50_000,
    utf8: 5_000,
    surrogate: 2_000,
    duplicate_key: 1_000,
    too_deep: 1_000,
    not_object: 500,
  }))
    expect([verdict, (verdicts.get(verdict) ?? 0) >= least, verdicts.get(verdict)]).toContain(true);
  expect(wellFormed).toBeGreaterThan(verdicts.get("ok")!);
  expect([parsed, bodies].every((count) => count > COUNT / 50)).toBe(true);
});

/** One value, standing in `{"v":…}`. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  ok: [
    "0",
    "-0",
    "0.0",
    "1E400",
    "-1e-400",
    "1.0E+2",
    "0e0",
    "123456789012345678901234567890",
    "5e-324",
    '"\\/"',
    '"\\u0000"',
    '"\\ufeff"',
    '"\\uFFFE"',
    '""',
    '""',
    '"\u2028\u2029"',
    '"﻿"',
    '"�"',
    '"\\ud83d\\ude00"',
    '"\\uD83D\\uDE00"',
    '"􏿿"',
    '"\\\\ud800"',
    '"//"',
    '"/* */"',
    '""',
    '"\\""',
    "[]",
    "{}",
    "[[],{}]",
    '{"":0}',
    '{"a":{"a":1},"b":[{"a":1},{"a":2}]}',
    '{"__proto__":1}',
    '{"a":1,"A":2}',
    '{"é":1,"e\\u0301":2}',
    '{"a":1,"a\\u0000":2}',
    " 	\r\n1\n",
  ],
  not_json: [
    "01",
    "-01",
    "00",
    "+1",
    ".5",
    "-.5",
    "1.",
    "1.e5",
    "1e",
    "1e+",
    "1e5.0",
    "0x10",
    "0b1",
    "0o7",
    "1_000",
    "1 000",
    "-",
    "--1",
    "- 1",
    "NaN",
    "-Infinity",
    "Infinity",
    "１",
    "1n",
    "1,5",
    "½",
    "1e٢",
    '"\\x41"',
    '"\\u00g0"',
    '"\\u12"',
    '"\\u{61}"',
    '"\\U0041"',
    '"\\\'"',
    '"\\a"',
    '"\\0"',
    '"\\',
    '"\\u',
    '"a',
    "'a'",
    '"	"',
    '"\n"',
    '"\0"',
    '""',
    "“a”",
    '"a""b"',
    "`a`",
    "/a/",
    '"a"\\',
    "[1,]",
    "[,1]",
    "[1,,2]",
    "[,]",
    "[1 2]",
    "[1;2]",
    "[",
    "]",
    "[1",
    "[}",
    "(1)",
    "[1]]",
    "[...]",
    "[1:2]",
    '{"a":1,}',
    '{,"a":1}',
    '{"a"}',
    '{"a":}',
    "{:1}",
    '{"a"::1}',
    '{"a" 1}',
    '{"a"=1}',
    "{a:1}",
    "{1:1}",
    "{null:1}",
    "{'a':1}",
    '{"a":1 "b":2}',
    '{"a":1',
    '{"a":1}}',
    '{"a":1,"b"}',
    '{["a"]:1}',
    "{[}]",
    "{{}}",
    "nul",
    "nulll",
    "True",
    "TRUE",
    "tru",
    "true1",
    "undefined",
    "None",
    "nil",
    "t",
    "falsetrue",
    "",
    "1//x",
    "/**/1",
    "1#x",
    "<!--1-->",
    "1\f",
    "\v1",
    "\xA01",
    "﻿1",
    "\u20281",
    "1\0",
    "1;",
    "1",
  ],
  surrogate: [
    '"\\ud800"',
    '"\\udfff"',
    '"\\ude00\\ud83d"',
    '"\\ud83d\\ud83d\\ude00"',
    '"\\ud83dx\\ude00"',
    '"\\uD83D\\n"',
    '"\\ud83d\\u0064e00"',
    '{"\\ud800":1}',
    '["\\udbff\\ue000"]',
    '"\\ud83d\\\\ude00"',
    '"\\udc00\\udc00"',
  ],
  duplicate_key: [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"":1,"":2}',
    '{"a":1,"b":{},"a":{}}',
    '[[{"x":0,"\\u0078":0}]]',
    '{"/":1,"\\/":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"\\n":1,"\\u000a":2}',
    '{"\\ud83d\\ude80":1,"🚀":2}',
  ],
};

/** Whole records, as bytes. */
const RECORDS: readonly (readonly [verdict: string, bytes: Uint8Array])[] = [
  ["not_json", encoder.encode("")],
  ["not_json", encoder.encode(" \n")],
  ["not_json", encoder.encode("{} {}")],
  ["not_json", encoder.encode("{},")],
  ["not_json", encoder.encode('\ufeff{"a":1}')],
  ["not_json", encoder.encode('{"a":1}\u0000')],
  ["not_object", encoder.encode("[]")],
  ["not_object", encoder.encode('"{}"')],
  ["not_object", encoder.encode(" null ")],
  ["not_object", encoder.encode("-0")],
  ["not_json", Uint8Array.of(0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00)], // UTF-16 with its mark
  ["not_json", Uint8Array.of(0x7b, 0x00, 0x7d, 0x00)],
  ["not_json", Uint8Array.of(0x7b, 0x7d, 0x80)],
];

/** Inside of a string. */
const SEQUENCES: readonly (readonly [verdict: string, bytes: readonly number[]])[] = [
  ["ok", [0xc2, 0x80]],
  ["ok", [0xdf, 0xbf]],
  ["ok", [0xe0, 0xa0, 0x80]],
  ["ok", [0xed, 0x9f, 0xbf]],
  ["ok", [0xee, 0x80, 0x80]],
  ["ok", [0xef, 0xbf, 0xbf]],
  ["ok", [0xf0, 0x90, 0x80, 0x80]],
  ["ok", [0xf4, 0x8f, 0xbf, 0xbf]],
  ["utf8", [0x80]],
  ["utf8", [0xc0, 0xaf]],
  ["utf8", [0xc1, 0xbf]],
  ["utf8", [0xc2]],
  ["utf8", [0xe0, 0x9f, 0xbf]],
  ["utf8", [0xe2, 0x82]],
  ["utf8", [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]], // a pair of surrogates, each encoded (CESU-8)
  ["utf8", [0xf0, 0x8f, 0xbf, 0xbf]],
  ["utf8", [0xf0, 0x9f, 0x9a]],
  ["utf8", [0xf4, 0x90, 0x80, 0x80]],
  ["utf8", [0xf5, 0x80, 0x80, 0x80]],
  ["utf8", [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ["utf8", [0xfe]],
  ["utf8", [0xff]],
];

function expectVerdict(bytes: Uint8Array, wanted: string): void {
  const [verdict] = verdictsOf([bytes]);
  expect(verdict).toBe(wanted);
  expect(faultOf(bytes, verdict!)).toBeUndefined();
}

describe("what parsers disagree about", () => {
  const values = Object.entries(VALUES).flatMap(([verdict, texts]) =>
    texts.map((text) => [text, verdict] as const),
  );

  test.each(values)("%j is %s", (text, verdict) => {
    expectVerdict(encoder.encode(`{"v":${text}}`), verdict);
  });

  test.each(RECORDS)("%s: a record of %j", (verdict, bytes) => {
    expectVerdict(bytes, verdict);
  });

  test.each(SEQUENCES)("%s: the bytes %j in a string, in a key, cut off", (verdict, bytes) => {
    const inside = (before: string, after: string): Uint8Array =>
      Uint8Array.from([...encoder.encode(before), ...bytes, ...encoder.encode(after)]);
    expectVerdict(inside('{"v":"', '"}'), verdict);
    expectVerdict(inside('{"', '":1}'), verdict);
    expectVerdict(inside('{"v":1}', ""), "not_json");
    expectVerdict(inside('{"v":"', ""), "not_json");
  });

  test("as many levels as the limit, not one more", () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const)
      for (const levels of [1, LIMITS.maxDepth - 1, LIMITS.maxDepth, LIMITS.maxDepth + 1]) {
        const inner = levels - 1;
        const text = `{"v":${open.repeat(inner)}0${close.repeat(inner)}}`;
        expectVerdict(encoder.encode(text), levels > LIMITS.maxDepth ? "too_deep" : "ok");
      }
  });
});

describe("the proof can fail", () => {
  test.each([
    ["ok", '{"a":01}'],
    ["not_json", '{"a":1}'],
    ["ok", '{"a":1,"\\u0061":1}'],
    ["ok", '{"a":"\\ud800"}'],
    ["duplicate_key", '{"a":"\\ud800"}'],
    ["ok", "[]"],
    ["ok", `{"a":${"[".repeat(64)}${"]".repeat(64)}}`],
    ["utf8", '{"a":"é"}'],
  ])("%s is no verdict for %s", (verdict, text) => {
    expect(faultOf(encoder.encode(text), verdict)).toBeDefined();
  });

  test("the reference reads values", () => {
    const text = ' {"a":[1.5e3,-0,"\\ud83d\\ude00\\n",{"":null}],"\\u0061b":true} ';
    expect(readJson(text)?.value).toStrictEqual({ a: [1_500, -0, "😀\n", { "": null }], ab: true });
  });
});
