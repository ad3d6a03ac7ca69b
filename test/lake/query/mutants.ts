/**
 * SQL bred from the escapes and from everyday statements: their tokens exchanged, nested, repeated, dressed in other
 * quotes, comments and letters. Every mutant is judged by the gate and then run without it, raw, behind the walls.
 * An escape is a canary in an answer or a changed file; that most mutants are nonsense costs nothing.
 */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { seededRandomness } from "../../../core/clock.ts";
import { ALLOWED } from "./allowed.ts";
import { Bypass } from "./bypass.ts";
import { escapeList } from "./escape-list.ts";
import { CANARY, type GuardedLake } from "./guarded-lake.ts";

/** Files are compared after so many mutants; on a change the batch is told. */
const BATCH = 25;

export interface MutantResult {
  readonly count: number;
  readonly isConfined: boolean;
  readonly escaped: readonly string[];
  /** Past the gate, naming nothing but what may be read. */
  readonly passed: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly starts: number;
}

const TOKENS =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$.*?\$\$|\/\*.*?\*\/|--[^\n]*|\s+|[\p{L}_][\p{L}\d_]*|\d+|->>|->|::|./gsu;
const SPACES = [" ", "\n", "\t", "/**/", " -- x\n", "\u00A0", "\u200B", "  ", "/*'*/", ""];
const LETTERS: readonly (readonly [RegExp, string])[] = [
  [/k/i, "\u212A"],
  [/s/i, "\u017F"],
  [/i/i, "\u0131"],
  [/r/i, "\uFF52"],
  [/e/i, "e\u0301"],
];
const WRAPS: readonly ((sql: string) => string)[] = [
  (sql) => `SELECT * FROM (${sql}) AS t`,
  (sql) => `WITH t AS (${sql}) FROM t`,
  (sql) => `SELECT (${sql})`,
  (sql) => `SELECT * FROM orders WHERE EXISTS (${sql})`,
  (sql) => `${sql}; ${sql}`,
  (sql) => `EXPLAIN ANALYZE ${sql}`,
  (sql) => `DESCRIBE ${sql}`,
  (sql) => `SELECT list_transform([1], x -> (${sql}))`,
  (sql) => `FROM query('${sql.replaceAll("'", "''")}')`,
  (sql) => `SELECT * FROM orders UNION ALL BY NAME (${sql})`,
  (sql) => `PREPARE p AS ${sql}`,
  (sql) => `CREATE OR REPLACE VIEW orders AS ${sql}`,
  (sql) => `COPY (${sql}) TO 'x.csv'`,
];

export class Mutator {
  readonly #random: () => number;
  readonly #corpus: readonly string[];
  readonly #words: readonly string[];

  constructor(seed: number, corpus: readonly string[]) {
    const randomness = seededRandomness(seed);
    this.#random = () => randomness.fraction();
    // The bulky ones cost time and have little to cross with.
    this.#corpus = corpus.filter((sql) => sql.length < 2_000);
    this.#words = this.#corpus.flatMap((sql) => tokensOf(sql).filter((token) => token.trim() !== ""));
  }

  next(): string {
    let sql = this.#pick(this.#corpus);
    const changes = 1 + Math.floor(this.#random() * 3);
    for (let i = 0; i < changes; i++) sql = this.#change(sql);
    return sql.slice(0, 20_000);
  }

  #change(sql: string): string {
    const tokens = tokensOf(sql);
    const written = [...tokens.keys()].filter((at) => tokens[at]!.trim() !== "");
    const at = this.#pick(written) ?? 0;
    const token = tokens[at] ?? "";
    switch (Math.floor(this.#random() * 12)) {
      case 0:
        return splice(tokens, at, 0, `${this.#pick(this.#words)} `);
      case 1:
        return splice(tokens, at, 1, "");
      case 2:
        return splice(tokens, at, 0, token);
      case 3:
      case 4:
        return this.#pick(WRAPS)(sql);
      case 5:
      case 6:
        return splice(tokens, at, 1, this.#dress(token));
      case 7:
        return /^(?:\d|n$)/.test(token)
          ? splice(tokens, at, 1, `(${this.#pick(this.#corpus)})`)
          : this.#swap(tokens, at);
      case 8: {
        const other = tokensOf(this.#pick(this.#corpus));
        const cut = Math.floor(this.#random() * other.length);
        return tokens.slice(0, at).join("") + other.slice(cut).join("");
      }
      case 9:
        return tokens.map((one) => (one.trim() === "" ? this.#pick(SPACES) : one)).join("");
      default:
        return this.#swap(tokens, at);
    }
  }

  /** Another token of the same kind: a name for a name, a text for a text. */
  #swap(tokens: readonly string[], at: number): string {
    const kind = kindOf(tokens[at] ?? "");
    for (let tries = 0; tries < 20; tries++) {
      const word = this.#pick(this.#words);
      if (kindOf(word) === kind) return splice(tokens, at, 1, word);
    }
    return tokens.join("");
  }

  #dress(token: string): string {
    const [pattern, letter] = this.#pick(LETTERS);
    const inner = token.replaceAll(/^['"]|['"]$/g, "");
    return this.#pick([
      `"${inner}"`,
      `'${inner}'`,
      `$$${inner}$$`,
      `E'${inner}'`,
      `main.${token}`,
      `system.main.${token}`,
      token.toUpperCase(),
      token.toLowerCase(),
      token.replace(pattern, letter),
      `/**/${token}`,
      `${token}::VARIANT`,
      `(${token})`,
      `[${token}]`,
    ]);
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!;
  }
}

function kindOf(token: string): string {
  if (/^['$]/.test(token)) return "text";
  if (/^["\p{L}_]/u.test(token)) return "name";
  return /^\d/.test(token) ? "number" : "sign";
}

function tokensOf(sql: string): readonly string[] {
  return sql.match(TOKENS) ?? [];
}

function splice(tokens: readonly string[], at: number, remove: number, insert: string): string {
  return tokens.toSpliced(at, remove, insert).join("");
}

export async function runMutants(
  guarded: GuardedLake,
  folder: string,
  options: { seed: number; count: number; progress?: (done: number) => void },
): Promise<MutantResult> {
  await mkdir(folder, { recursive: true });
  const escapes = escapeList(guarded.places).map(([, sql]) => sql);
  const everyday = ALLOWED.map(([sql]) => sql);
  const mutator = new Mutator(options.seed, [...escapes, ...everyday, ...everyday, ...everyday]);
  const common = { lake: guarded.lake.root, tables: [guarded.orders], lateMs: 1_500 };
  const confined = await Bypass.open({ ...common, root: path.join(folder, "confined"), isConfined: true });
  const bypass =
    confined ?? (await Bypass.open({ ...common, root: path.join(folder, "plain"), isConfined: false }));
  const before = await guarded.fingerprint();
  const escaped: string[] = [];
  const outcomes: Record<string, number> = {};
  let passed = 0;
  let batch: string[] = [];
  for (let done = 1; done <= options.count && escaped.length === 0; done++) {
    const sql = mutator.next();
    batch.push(sql);
    const outcome = await bypass!.run(sql, confined !== undefined);
    outcomes[outcome.kind] = (outcomes[outcome.kind] ?? 0) + 1;
    if (outcome.hasPassed) passed++;
    if (outcome.text.includes(CANARY)) escaped.push(`told the canary: ${sql}`);
    if (done % BATCH > 0 && done < options.count) continue;
    if ((await guarded.fingerprint()) !== before) escaped.push(`changed a file: one of\n${batch.join("\n")}`);
    batch = [];
    options.progress?.(done);
  }
  await bypass!.close();
  const { starts } = bypass!;
  return { count: options.count, isConfined: confined !== undefined, escaped, passed, outcomes, starts };
}
