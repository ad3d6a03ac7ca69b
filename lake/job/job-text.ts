/**
 * A job's file, split into its parts. The grammar stands in docs/JOBS.md. What stands between AS and CHECK or EMIT is
 * the SELECT, which is DuckDB's to parse.
 */
import { tokensOf, type Token } from "./job-lexer.ts";
import { JobRefused } from "./refusal.ts";

/** A piece of the file, as written. */
export interface Fragment {
  readonly text: string;
  /** Where it begins in the file, UTF-16 units. */
  readonly at: number;
}

export interface JobText {
  readonly name: string;
  readonly options: readonly { readonly name: string; readonly value: string; readonly at: number }[];
  readonly select: Fragment;
  readonly checks: readonly JobCheck[];
  /** The first is `lake`. */
  readonly sinks: readonly { readonly kind: SinkKind; readonly name: string; readonly at: number }[];
}

export interface JobCheck {
  readonly name: string;
  /** Table whose rows it is about; null: the only one. */
  readonly table: string | null;
  readonly condition: Fragment;
  readonly at: number;
}

export const SINK_KINDS = ["lake", "postgres", "elasticsearch", "kafka", "http", "log"] as const;
export type SinkKind = (typeof SINK_KINDS)[number];

const FORM = "CREATE JOB name [WITH (…)] AS SELECT … [CHECK …] EMIT ON WINDOW CLOSE INTO lake name";
const JOB_NAME = /^[A-Za-z_][\w.-]{0,63}$/;

/** @throws JobRefused */
export function splitJob(source: string): JobText {
  return new Splitter(source).job();
}

class Splitter {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(source: string) {
    this.#source = source;
    this.#tokens = tokensOf(source);
  }

  job(): JobText {
    this.#words("create", "job");
    const at = this.#here();
    const name = this.#name("the job's name");
    if (!JOB_NAME.test(name))
      throw new JobRefused(at, `"${name}" cannot be a job's name: letters, digits, "_", "-", "." up to 64.`);
    const options = this.#takes("with") ? this.#options() : [];
    this.#words("as");
    const select = this.#select();
    const checks = this.#takes("check") ? this.#list(() => this.#check()) : [];
    this.#words("emit", "on", "window", "close", "into");
    const sinks = this.#list(() => this.#sink());
    if (sinks[0].kind !== "lake" || sinks.filter(({ kind }) => kind === "lake").length > 1)
      throw new JobRefused(sinks[0].at, "A job writes one table of the lake, named first.", `INTO lake "…"`);
    this.#takesSymbol(";");
    if (this.#peek()) throw new JobRefused(this.#here(), "A file has one job, and this stands behind it.");
    return { name, options, select, checks, sinks };
  }

  #options(): JobText["options"] {
    this.#symbol("(");
    const options = this.#list(() => {
      const at = this.#here();
      const name = this.#name("an option's name");
      this.#symbol("=");
      const value = this.#peek();
      if (value?.kind !== "text")
        throw new JobRefused(this.#here(), "An option's value is a text in quotes.");
      this.#next += 1;
      return { name, value: value.value, at };
    });
    this.#symbol(")");
    return options;
  }

  #select(): Fragment {
    const first = this.#peek();
    const from = this.#next;
    while (this.#peek() && !this.#endsSelect()) this.#next += 1;
    if (!first || this.#next === from) throw new JobRefused(this.#here(), "There is no SELECT.", FORM);
    if (!this.#peek()) throw new JobRefused(this.#here(), "EMIT ON WINDOW CLOSE is missing.", FORM);
    return this.#fragment(from, this.#next);
  }

  /** CHECK is reserved, so that it is no column's name; EMIT is not. */
  #endsSelect(): boolean {
    if (this.#peek()?.depth !== 0) return false;
    return this.#isAt("check") || this.#isAt("emit", "on", "window");
  }

  #check(): JobCheck {
    const at = this.#here();
    const name = this.#name("a check's name");
    const table = this.#takes("on") ? this.#name("a table") : null;
    const opening = this.#next;
    this.#symbol("(");
    while (this.#peek() && !(this.#peek()!.depth === 0 && this.#peek()!.raw === ")")) this.#next += 1;
    const condition = this.#fragment(opening + 1, this.#next);
    this.#symbol(")");
    return { name, table, condition, at };
  }

  #sink(): JobText["sinks"][number] {
    const at = this.#here();
    const written = this.#name("a kind of sink");
    const kind = SINK_KINDS.find((known) => known === written.toLowerCase());
    if (!kind) throw new JobRefused(at, `There is no sink "${written}".`, SINK_KINDS.join(", "));
    return { kind, name: this.#name("the sink's name"), at };
  }

  #list<Item>(item: () => Item): [Item, ...Item[]] {
    const items: [Item, ...Item[]] = [item()];
    while (this.#takesSymbol(",")) items.push(item());
    return items;
  }

  #fragment(from: number, until: number): Fragment {
    if (until <= from) return { text: "", at: this.#here() };
    const at = this.#tokens[from]!.start;
    return { text: this.#source.slice(at, this.#tokens[until - 1]!.end), at };
  }

  #name(what: string): string {
    const token = this.#peek();
    if (token?.kind !== "word" && token?.kind !== "name")
      throw new JobRefused(this.#here(), `Here stands ${what}.`, FORM);
    this.#next += 1;
    return token.kind === "word" ? token.raw : token.value;
  }

  #words(...words: readonly string[]): void {
    for (const word of words)
      if (!this.#takes(word))
        throw new JobRefused(this.#here(), `${word.toUpperCase()} is missing here.`, FORM);
  }

  #isAt(...words: readonly string[]): boolean {
    return words.every((word, ahead) => {
      const token = this.#tokens[this.#next + ahead];
      return token?.kind === "word" && token.value === word;
    });
  }

  #takes(word: string): boolean {
    const is = this.#isAt(word);
    if (is) this.#next += 1;
    return is;
  }

  #symbol(symbol: string): void {
    if (!this.#takesSymbol(symbol)) throw new JobRefused(this.#here(), `"${symbol}" is missing here.`, FORM);
  }

  #takesSymbol(symbol: string): boolean {
    const token = this.#peek();
    const is = token?.kind === "symbol" && token.raw === symbol;
    if (is) this.#next += 1;
    return is;
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #here(): number {
    return this.#peek()?.start ?? this.#source.length;
  }
}
