/**
 * Regular expressions that cannot hang: matched in time linear in the text, whatever pattern and text are
 * (Thompson's construction with a lazily built automaton; Cox, "Regular Expression Matching Can Be Simple And
 * Fast", 2007). JavaScript's own engine backtracks: `^(a+)+$` never ends on 40 letters, and even `\s+$` takes
 * minutes on a megabyte of blanks.
 */
import { assert, unreachable } from "./assert.ts";
import { type CodePointSet, isWord, parsePattern, PatternError, type PatternNode } from "./pattern-parse.ts";

/** Instructions of the program that a pattern becomes; bounds the cost of one character. */
export const PATTERN_SIZE_MAX = 1_000;
const STATES_MAX = 400;
const COMPILE_STEPS_MAX = 20_000;

const ONE = 0; // consume one code point of a set
const SPLIT = 1;
const BOUNDARY = 2;
const MATCH = 3;

interface Instruction {
  readonly operation: number;
  readonly set?: CodePointSet;
  readonly at?: "start" | "end" | "word" | "notWord";
  next: number;
  other: number;
}

/** What stands around the gap between two code points. */
interface Gap {
  readonly isStart: boolean;
  readonly isEnd: boolean;
  readonly isWordBoundary: boolean;
}

interface State {
  /** Instructions to try at the next gap, ascending. */
  readonly threads: readonly number[];
  readonly isAfterWord: boolean;
  readonly isStart: boolean;
  /** [code point < 128] next state; null: the text matches; undefined: not worked out yet */
  readonly next: (State | null | undefined)[];
}

export class Pattern {
  readonly source: string;
  readonly #program: readonly Instruction[];
  readonly #entry: number;
  readonly #isAnchored: boolean;
  readonly #states = new Map<string, State>();

  /** @throws PatternError for what is no regular expression, not in the subset, or too large */
  constructor(source: string) {
    this.source = source;
    const compiler = new Compiler();
    const matched = compiler.push({ operation: MATCH, next: -1, other: -1 });
    this.#entry = compiler.compile(parsePattern(source), matched);
    this.#program = compiler.program;
    this.#isAnchored = [true, false].every((isWordBoundary) =>
      [true, false].every(
        (isEnd) => this.#reach([this.#entry], { isStart: false, isEnd, isWordBoundary }).length === 0,
      ),
    );
  }

  /** Whether the pattern is found anywhere in `text`. */
  test(text: string): boolean {
    let state = this.#state([this.#entry], false, true);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let next: State | null | undefined = unit < 128 ? state.next[unit] : undefined;
      if (next === undefined) {
        const point = unit < 128 ? unit : text.codePointAt(i)!;
        if (point > 0xffff) i++;
        next = this.#step(state, point);
        if (unit < 128) state.next[unit] = next;
      }
      if (next === null) return true;
      if (next.threads.length === 0) return false;
      state = next;
    }
    const end = { isStart: state.isStart, isEnd: true, isWordBoundary: state.isAfterWord };
    return this.#reach(state.threads, end).includes(-1);
  }

  toString(): string {
    return `linear:${this.source}`;
  }

  #step(state: State, point: number): State | null {
    const isBeforeWord = isWord(point);
    const gap = { isStart: state.isStart, isEnd: false, isWordBoundary: state.isAfterWord !== isBeforeWord };
    const threads = new Set<number>();
    for (const at of this.#reach(state.threads, gap)) {
      if (at === -1) return null;
      const { set, next } = this.#program[at]!;
      if (set!(point)) threads.add(next);
    }
    if (!this.#isAnchored) threads.add(this.#entry);
    return this.#state([...threads], isBeforeWord, false);
  }

  #state(threads: number[], isAfterWord: boolean, isStart: boolean): State {
    threads.sort((a, b) => a - b);
    const key = `${threads.join()}${isAfterWord ? "w" : ""}${isStart ? "^" : ""}`;
    const known = this.#states.get(key);
    if (known) return known;
    if (this.#states.size >= STATES_MAX) {
      for (const state of this.#states.values()) state.next.length = 0;
      this.#states.clear();
    }
    const state = { threads, isAfterWord, isStart, next: [] };
    this.#states.set(key, state);
    return state;
  }

  /** The consuming instructions reachable from `threads` without consuming; -1 among them where the match is. */
  #reach(threads: readonly number[], gap: Gap): number[] {
    const found: number[] = [];
    const seen = new Set<number>();
    const open = [...threads];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const instruction = this.#program[at]!;
      if (instruction.operation === ONE) found.push(at);
      else if (instruction.operation === MATCH) found.push(-1);
      else if (instruction.operation === SPLIT) open.push(instruction.next, instruction.other);
      else if (holds(instruction.at!, gap)) open.push(instruction.next);
    }
    return found;
  }
}

function holds(at: "start" | "end" | "word" | "notWord", gap: Gap): boolean {
  if (at === "start") return gap.isStart;
  if (at === "end") return gap.isEnd;
  return gap.isWordBoundary === (at === "word");
}

class Compiler {
  readonly program: Instruction[] = [];
  #steps = 0;

  push(instruction: Instruction): number {
    if (this.program.length >= PATTERN_SIZE_MAX)
      throw new PatternError(`the pattern needs more than ${PATTERN_SIZE_MAX} steps`);
    return this.program.push(instruction) - 1;
  }

  /** Compiles back to front. @returns where `node` begins that goes on at `next` */
  compile(node: PatternNode, next: number): number {
    if (++this.#steps > COMPILE_STEPS_MAX) throw new PatternError("the pattern repeats too much");
    switch (node.kind) {
      case "one":
        return this.push({ operation: ONE, set: node.set, next, other: -1 });
      case "boundary":
        return this.push({ operation: BOUNDARY, at: node.at, next, other: -1 });
      case "sequence":
        return node.parts.reduceRight((after, part) => this.compile(part, after), next);
      case "either": {
        const entries = node.choices.map((choice) => this.compile(choice, next));
        return entries.reduceRight((other, entry) => this.#split(entry, other));
      }
      case "repeat":
        return this.#repeat(node, next);
      default:
        return unreachable(node);
    }
  }

  #repeat(node: PatternNode & { kind: "repeat" }, next: number): number {
    let entry = next;
    if (node.max === Infinity) {
      entry = this.#split(-1, next);
      this.program[entry]!.next = this.compile(node.part, entry);
    } else {
      for (let i = node.min; i < node.max; i++) entry = this.#split(this.compile(node.part, entry), next);
    }
    for (let i = 0; i < node.min; i++) entry = this.compile(node.part, entry);
    return entry;
  }

  #split(next: number, other: number): number {
    assert(other >= 0, "a split leads somewhere");
    return this.push({ operation: SPLIT, next, other });
  }
}
