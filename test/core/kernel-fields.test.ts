import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import {
  FLAG_CUT,
  FLAG_MALFORMED,
  FLAG_MISSING,
  FLAG_UUID,
  FLAG_WRONG_TYPE,
  VALUE_ABSENT,
  VALUE_ARRAY,
  VALUE_ESCAPED_STRING,
  VALUE_FALSE,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_OBJECT,
  VALUE_STRING,
  VALUE_TRUE,
} from "../../core/kernel-abi.ts";
import type { Scan, ScanPath } from "../../core/kernel.ts";
import { packRecords } from "../../core/record.ts";
import {
  Dice,
  randomKey,
  randomObject,
  randomString,
  spell,
  spellString,
  type Json,
} from "../core-as/documents.ts";
import { identityModel } from "../core-as/siphash-model.ts";
import { SECRET, same, testKernel } from "../core-as/support.ts";
import { parseTimeModel } from "../core-as/time-model.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_302);
const LIMITS = { maxBytes: 999_000, maxDepth: 64 };
const encoder = new TextEncoder();
const kernel = testKernel();

function scanTexts(paths: readonly ScanPath[], texts: readonly string[]): Scan {
  const records = packRecords(
    texts.map((text) => ({ payload: encoder.encode(text), key: "k", header: "{}" })),
  );
  return kernel.scanRecords(kernel.plan(paths, LIMITS), records, SECRET);
}

/** Scans `{"v": string literal}` per literal, with one path of that kind. */
function scanLiterals(literals: readonly string[], path: Partial<ScanPath>): Scan {
  return scanTexts(
    [{ keys: ["v"], kind: "text", ...path }],
    literals.map((literal) => `{"v":${literal}}`),
  );
}

function typeOf(value: Json | undefined, raw: string | null): number {
  if (value === undefined) return VALUE_ABSENT;
  if (value === null) return VALUE_NULL;
  if (typeof value === "string") return raw?.includes("\\") === true ? VALUE_ESCAPED_STRING : VALUE_STRING;
  if (typeof value === "number") return VALUE_NUMBER;
  if (typeof value === "boolean") return value ? VALUE_TRUE : VALUE_FALSE;
  return Array.isArray(value) ? VALUE_ARRAY : VALUE_OBJECT;
}

function lookUp(value: Json, keys: readonly string[]): Json | undefined {
  let at: Json | undefined = value;
  for (const key of keys) {
    if (at === null || typeof at !== "object" || Array.isArray(at) || !Object.hasOwn(at, key))
      return undefined;
    at = at[key];
  }
  return at;
}

function allPaths(value: Json, prefix: readonly string[] = []): (readonly string[])[] {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => [
    [...prefix, key],
    ...allPaths(member, [...prefix, key]),
  ]);
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function javaHashModel(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

describe("values at paths", () => {
  test("are what JSON.parse finds there", () => {
    const dice = new Dice(seededRandomness(SEED));
    let compared = 0;
    for (let round = 0; round < 150; round++) {
      const values = Array.from({ length: 20 }, () => randomObject(dice, 5));
      const texts = values.map((value) => spell(dice, value));
      const known = values.flatMap((value) => allPaths(value));
      const paths = Array.from({ length: dice.roll(33) }, () => {
        const keys =
          known.length > 0 && dice.chance(0.9) ? dice.pick(known) : [randomKey(dice), randomKey(dice)];
        return { keys, kind: "text", javaHash: dice.chance(0.5) } as const;
      });
      const scan = scanTexts(paths, texts);
      const bytes = scan.bytes.slice();
      texts.forEach((text, row) => {
        const parsed = JSON.parse(text) as Json;
        same(scan.verdicts[row], 0, `seed ${SEED}: ${text}`);
        paths.forEach(({ keys, javaHash }, i) => {
          const { types, starts, lengths } = scan.field(i);
          const wanted = lookUp(parsed, keys);
          const found = scan.text(i, row);
          const raw = new TextDecoder("utf-8", { ignoreBOM: true }).decode(
            bytes.subarray(starts[row], starts[row]! + lengths[row]!),
          );
          const context = `seed ${SEED}: ${JSON.stringify(keys)} in ${text}`;
          same(types[row], typeOf(wanted, raw), context);
          if (wanted === undefined) same(found, null, context);
          else if (typeof wanted === "string") same(found, wanted, context);
          else same(JSON.parse(found!), wanted, context);
          if (javaHash && wanted !== undefined) {
            same(scan.javaHashes(i)[row], javaHashModel(found!), context);
          }
          if (wanted !== undefined) compared++;
        });
      });
    }
    expect(compared).toBeGreaterThan(1500);
  });

  test("are not taken from arrays, other depths, or strings that look like them", () => {
    const scan = scanTexts(
      [
        { keys: ["a", "b"], kind: "text" },
        { keys: ["b"], kind: "text" },
      ],
      [
        '{"a":[{"b":1}],"c":{"a":{"b":2}},"d":"{\\"a\\":{\\"b\\":3}}","x":{"b":4}}',
        '{"a":{"b":5,"c":{"b":6}}}',
      ],
    );
    expect([scan.text(0, 0), scan.text(1, 0), scan.text(0, 1), scan.text(1, 1)]).toEqual([
      null,
      null,
      "5",
      null,
    ]);
  });

  test("a scan ends with the next one, and says so", () => {
    const plan = kernel.plan([{ keys: ["v"], kind: "text" }], LIMITS);
    const first = kernel.scanRecords(plan, packRecords([{ payload: encoder.encode("{}") }]), SECRET);
    kernel.scanRecords(plan, packRecords([]), SECRET);
    expect(() => first.verdicts).toThrow("a later scan has replaced this one");
    expect(() => first.timesUs(0)).toThrow("path 0 is no time");
  });
});

describe("Java's string hash", () => {
  test("known values and random strings", () => {
    const dice = new Dice(seededRandomness(SEED + 3));
    const texts = [
      "",
      "hello",
      "Aa",
      "BB",
      "é",
      "🚀",
      ...Array.from({ length: 2000 }, () => randomString(dice)),
    ];
    const scan = scanLiterals(
      texts.map((text) => spellString(dice, text, 0.2)),
      { javaHash: true },
    );
    const hashes = scan.javaHashes(0);
    expect([...hashes.subarray(0, 4)]).toEqual([0, 99_162_322, 2112, 2112]); // as Java computes them
    texts.forEach((text, i) => same(hashes[i], javaHashModel(text), JSON.stringify(text)));
  });
});

describe("times", () => {
  const dice = new Dice(seededRandomness(SEED + 1));

  function randomTime(): string {
    const years = [0, 1, 4, 100, 400, 1582, 1900, 1948, 1969, 1970, 1972, 2000, 2024, 2026, 2100, 9999];
    const year = dice.chance(0.5) ? dice.pick(years) : dice.roll(10_000);
    const fraction = dice.chance(0.4)
      ? ""
      : `.${String(dice.roll(1e9)).slice(0, 1 + dice.roll(9))}${"0".repeat(dice.roll(9))}`;
    const zone = dice.chance(0.5)
      ? dice.pick(["Z", "z"])
      : `${dice.pick(["+", "-"])}${two(dice.roll(24))}:${two(dice.roll(60))}`;
    const date = `${String(year).padStart(4, "0")}-${two(dice.roll(14))}-${two(dice.roll(33))}`;
    const time = [25, 61, 62].map((below) => two(dice.roll(below))).join(":");
    return `${date}${dice.pick(["T", "t"])}${time}${fraction}${zone}`;
  }

  test("equal the model's, valid or not, over 100,000 texts", () => {
    const texts = Array.from({ length: 100_000 }, () => {
      const text = randomTime();
      if (dice.chance(0.8)) return text;
      const at = dice.roll(text.length + 1);
      const wrong = dice.pick(["", "0", "9", ":", "-", "+", " ", "T", "Z", ".", "é", "24", "٣"]);
      return text.slice(0, at) + wrong + text.slice(at + dice.roll(2));
    });
    const fixed = [
      "2026-02-29T00:00:00Z",
      "2024-02-29T23:59:60Z",
      "2024-02-29T23:58:60Z",
      "1948-03-01T12:00:00.1234567+01:00",
      "9999-12-31T23:59:59.999999999-23:59",
      "0000-01-01T00:00:00+23:59",
      "2026-03-01 12:00:00Z",
      "2026-03-01T12:00Z",
      "2026-03-01T12:00:00",
      "2026-03-01T12:00:00.Z",
      "2026-03-01T12:00:00+0100",
      "2026-03-01T12:00:00+24:00",
      "",
    ];
    texts.push(...fixed);
    const scan = scanLiterals(
      texts.map((text) => spellString(dice, text, 0.005)),
      { kind: "time" },
    );
    const times = scan.timesUs(0);
    const { flags } = scan.field(0);
    let valid = 0;
    texts.forEach((text, i) => {
      const wanted = parseTimeModel(text);
      if (wanted) valid++;
      const said = wanted ? `${wanted.us} ${wanted.isCut ? FLAG_CUT : 0}` : `0 ${FLAG_MALFORMED}`;
      same(`${times[i]} ${flags[i]}`, said, text);
    });
    expect(valid).toBeGreaterThan(40_000);
  });

  test("are flagged where there is none", () => {
    const scan = scanTexts(
      [{ keys: ["v"], kind: "time" }],
      ["{}", '{"v":1}', '{"v":null}', '{"v":{}}', '{"v"'],
    );
    expect([...scan.field(0).flags]).toEqual([
      FLAG_MISSING,
      FLAG_WRONG_TYPE,
      FLAG_WRONG_TYPE,
      FLAG_WRONG_TYPE,
      FLAG_MISSING,
    ]);
  });
});

describe("identities", () => {
  const dice = new Dice(seededRandomness(SEED + 2));

  test("equal the model's, whatever the spelling, from a scan or from texts", () => {
    const ids = Array.from({ length: 3000 }, () => {
      const uuid = dice.uuid();
      const kind = dice.roll(5);
      if (kind === 0) return uuid;
      if (kind === 1) return uuid.toUpperCase();
      if (kind === 2)
        return `${uuid.slice(0, dice.roll(36))}${dice.pick(["g", "-", "", "é"])}${uuid.slice(dice.roll(36))}`;
      if (kind === 3) return uuid.replaceAll("-", "");
      return `x${randomString(dice)}`;
    });
    const scan = scanLiterals(
      ids.map((id) => spellString(dice, id)),
      { kind: "id" },
    );
    const found = scan.identities(0).slice();
    const { flags } = scan.field(0);
    ids.forEach((id, i) => {
      same([...found.subarray(i * 2, i * 2 + 2)], identityModel(SECRET, id), id);
      const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id);
      same(flags[i], isUuid ? FLAG_UUID : 0, id);
    });
    expect(kernel.identities(ids, SECRET)).toEqual(found);
    const words = new Set(found);
    const otherSecret = SECRET.map((byte) => byte ^ 1);
    expect(kernel.identities(ids, otherSecret).some((word) => words.has(word))).toBe(false);
  });

  test("are left out where nobody wants them, the flags are the same", () => {
    const texts = [
      dice.uuid(),
      dice.uuid().toUpperCase(),
      "x",
      "é".repeat(18),
      `${dice.uuid().slice(1)}g`,
      "",
    ];
    const literals = [...texts.map((text) => spellString(dice, text, 0.2)), "1", "null"];
    const path = { kind: "id", hasNoIdentity: true } as const;
    const flags = [...scanLiterals(literals, { kind: "id" }).field(0).flags];
    const scan = scanLiterals(literals, path);
    expect([...scan.field(0).flags]).toEqual(flags);
    expect(() => scan.identities(0)).toThrow("path 0 has no identities");
    const scoped = [{ keys: ["v"], scope: 1, ...path }, { keys: ["s"], kind: "text" } as const];
    const joined = scanTexts(scoped, ['{"v":"x","s":"y"}', '{"v":"x"}', '{"v":"","s":"y"}']);
    expect([...joined.field(0).flags]).toEqual([0, FLAG_MISSING, FLAG_MALFORMED]);
  });

  test("a UUID and the text of its bytes are two identities", () => {
    const raw = "0123456789abcdef"; // 16 bytes, which as hex are this UUID
    const hex = [...encoder.encode(raw)].map((byte) => byte.toString(16)).join("");
    const uuid = hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
    const [a, b, c, d] = kernel.identities([raw, uuid], SECRET);
    expect([a, b]).not.toEqual([c, d]);
  });

  test("are flagged where there is none", () => {
    const scan = scanTexts(
      [{ keys: ["v"], kind: "id" }],
      ["{}", '{"v":1}', '{"v":null}', '{"v":""}', "", '{"v":"x"}'],
    );
    const wanted = [FLAG_MISSING, FLAG_WRONG_TYPE, FLAG_WRONG_TYPE, FLAG_MALFORMED, FLAG_MISSING, 0];
    expect([...scan.field(0).flags]).toEqual(wanted);
  });

  test("with a scope, no two pairs share one", () => {
    const paths = [
      { keys: ["id"], kind: "id", scope: 1 },
      { keys: ["source"], kind: "text" },
    ] as const;
    const pairs = [
      ["/a", "b1"],
      ["/ab", "1"],
      ["é🚀", "x"],
      ["/a", dice.uuid()],
      ["1:", "1:1"],
      ["1:1", ":1"],
      ["s".repeat(1234), "y"],
    ] as const;
    const texts = pairs.map(
      ([source, id]) => `{"source":${spellString(dice, source, 0.3)},"id":${spellString(dice, id, 0.3)}}`,
    );
    const scan = scanTexts(paths, [
      ...texts,
      '{"id":"x"}',
      '{"id":"x","source":""}',
      '{"id":"x","source":1}',
    ]);
    const joined = pairs.map(([source, id]) => `${encoder.encode(source).length}:${source}${id}`);
    expect([...scan.field(0).flags]).toEqual([0, 0, 0, 0, 0, 0, 0, FLAG_MISSING, FLAG_MISSING, FLAG_MISSING]);
    const found = scan.identities(0).slice(0, pairs.length * 2);
    expect(found).toEqual(kernel.identities(joined, SECRET));
    expect(new Set(found).size).toBe(pairs.length * 2);
  });
});
