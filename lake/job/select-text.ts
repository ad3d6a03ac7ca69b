/**
 * A job's SELECT as text, of which some names are replaced and some CTEs are left out. Nothing else of it is written
 * anew, so that what runs is what its author wrote.
 */
import { quoteName } from "../query/quote.ts";
import { tokensOf, type Token } from "./job-lexer.ts";
import { indexOfByte } from "./refusal.ts";

interface Piece {
  readonly start: number;
  readonly end: number;
}
interface Stage extends Piece {
  /** Lower case. */
  readonly name: string;
}

/** A name in the text that is to be another. */
export interface Replacement {
  /** Place in the text as UTF-8. */
  readonly byte: number;
  /** What stands there, lower case. */
  readonly name: string;
  /** Not that name is replaced but the first such word behind it. */
  readonly behind?: string;
  /** So many words and symbols are replaced, 1 if not given. */
  readonly tokens?: number;
  /** SQL. */
  readonly by: string;
}

export class SelectText {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly #stages: readonly Stage[];
  readonly #main: Piece;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
    const { stages, main } = split(this.#tokens, text.length);
    this.#stages = stages;
    this.#main = main;
  }

  /** The whole, with those CTEs only. */
  whole(replacements: readonly Replacement[], keeps: (stage: string) => boolean): string {
    return this.#joined(
      this.#stages.filter(({ name }) => keeps(name)),
      this.#main,
      replacements,
    );
  }

  /** What one CTE has, with those before it that it may need. */
  stage(wanted: string, replacements: readonly Replacement[], keeps: (stage: string) => boolean): string {
    const last = this.#stages.findIndex(({ name }) => name === wanted);
    const stages = this.#stages.slice(0, last + 1).filter(({ name }) => keeps(name));
    return `${this.#joined(stages, { start: 0, end: 0 }, replacements)} SELECT * FROM ${quoteName(wanted)}`;
  }

  #joined(stages: readonly Piece[], main: Piece, replacements: readonly Replacement[]): string {
    const texts = stages.map((stage) => this.#piece(stage, replacements));
    // Each may end in a comment.
    const head = texts.length > 0 ? `WITH ${texts.join("\n, ")}\n` : "";
    return head + this.#piece(main, replacements);
  }

  #piece({ start, end }: Piece, replacements: readonly Replacement[]): string {
    let text = "";
    let at = start;
    const places = replacements
      .map((replacement) => ({ ...replacement, token: this.#token(replacement) }))
      .filter(({ token }) => token.start >= start && token.end <= end)
      .sort((a, b) => a.token.start - b.token.start);
    for (const { token, by, tokens = 1 } of places) {
      text += this.#text.slice(at, token.start) + by;
      at = this.#tokens[this.#tokens.indexOf(token) + tokens - 1]!.end;
    }
    return text + this.#text.slice(at, end);
  }

  #token({ byte, name, behind }: Replacement): Token {
    const at = indexOfByte(this.#text, byte);
    const index = this.#tokens.findIndex(({ start }) => start === at);
    const token = this.#tokens[index];
    if (token?.value.toLowerCase() !== name) throw new Error(`"${name}" does not stand at byte ${byte}`);
    if (behind === undefined) return token;
    const next = this.#tokens.find(({ kind, value }, i) => i > index && kind === "word" && value === behind);
    if (!next) throw new Error(`no ${behind} stands behind byte ${byte}`);
    return next;
  }
}

/** The CTEs of the outermost WITH, and what stands behind them. */
function split(tokens: readonly Token[], end: number): { stages: readonly Stage[]; main: Piece } {
  if (tokens[0]?.value !== "with" || tokens[0].kind !== "word")
    return { stages: [], main: { start: 0, end } };
  const stages: Stage[] = [];
  let next = tokens[1]?.value === "recursive" && tokens[2]?.raw !== "(" && tokens[2]?.value !== "as" ? 2 : 1;
  for (;;) {
    const first = tokens[next]!;
    const as = tokens.findIndex(
      (token, i) => i > next && token.depth === 0 && token.kind === "word" && token.value === "as",
    );
    const close = tokens.findIndex((token, i) => i > as && token.depth === 0 && token.raw === ")");
    stages.push({ name: first.value.toLowerCase(), start: first.start, end: tokens[close]!.end });
    next = close + 2;
    if (tokens[close + 1]?.raw !== ",") return { stages, main: { start: tokens[close]!.end, end } };
  }
}
