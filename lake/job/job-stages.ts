/**
 * The stages of a job's SELECT, for whoever wants to see it: its CTEs, what each reads and what it does. It is told
 * from the words of a text that the planner has taken; where a name stands behind FROM or JOIN, or is a table of a
 * function of tables, it is read there.
 */
import { splitJob } from "./job-text.ts";
import { tokensOf, type Token } from "./job-lexer.ts";

export type StageKind = "rows" | "filter" | "aggregate" | "window" | "join" | "pattern" | "top" | "union";

export interface JobStage {
  /** Of the CTE; null: the SELECT itself. */
  readonly name: string | null;
  readonly kind: StageKind;
  /** Tables and stages, as written, each once. */
  readonly reads: readonly string[];
  /** As written. */
  readonly text: string;
}

/** By how many of their first arguments are tables. */
const TABLE_FUNCTIONS = new Map([
  ["tumble", 1],
  ["hop", 1],
  ["session", 1],
  ["all_of", 2],
  ["sequence", 1],
]);
const BEHIND = new Set(["from", "join"]);

/** In the order of the text, the SELECT last. @param source the job's file @throws JobRefused */
export function jobStages(source: string): readonly JobStage[] {
  const { text } = splitJob(source).select;
  const tokens = tokensOf(text);
  if (!isWord(tokens[0], "with")) return [stageOf(null, text, tokens)];
  const stages: JobStage[] = [];
  let at = isWord(tokens[1], "recursive") ? 2 : 1;
  for (;;) {
    const name = tokens[at]!.value;
    const opens = tokens.findIndex((token, i) => i > at && token.raw === "(" && isWord(tokens[i - 1], "as"));
    const closes = tokens.findIndex((token, i) => i > opens && token.raw === ")" && token.depth === 0);
    if (opens < 0 || closes < 0) return [stageOf(null, text, tokens)];
    const inner = tokens.slice(opens + 1, closes);
    stages.push(stageOf(name, text.slice(tokens[opens]!.end, tokens[closes]!.start).trim(), inner));
    at = closes + 1;
    if (tokens[at]?.raw !== ",") break;
    at++;
  }
  const rest = tokens.slice(at);
  return [...stages, stageOf(null, text.slice(rest[0]?.start ?? 0).trim(), rest)];
}

function stageOf(name: string | null, text: string, tokens: readonly Token[]): JobStage {
  return { name, kind: kindOf(tokens), reads: readsOf(tokens), text };
}

function kindOf(tokens: readonly Token[]): StageKind {
  const has = (...words: readonly string[]): boolean =>
    tokens.some((_, i) => words.every((word, j) => isWord(tokens[i + j], word)));
  const calls = (name: string): boolean =>
    tokens.some((token, i) => isWord(token, name) && tokens[i + 1]?.raw === "(");
  if (calls("all_of") || calls("sequence")) return "pattern";
  if (has("join")) return "join";
  if (has("qualify")) return "top";
  if (calls("tumble") || calls("hop") || calls("session")) return "window";
  if (has("group", "by")) return "aggregate";
  if (has("union")) return "union";
  return has("where") ? "filter" : "rows";
}

function readsOf(tokens: readonly Token[]): readonly string[] {
  const found = new Set<string>();
  for (const [i, token] of tokens.entries()) {
    const isNamed = token.kind === "name" || token.kind === "word";
    if (!isNamed || !isBehind(tokens[i - 1])) continue;
    const tables = tokens[i + 1]?.raw === "(" ? TABLE_FUNCTIONS.get(token.value.toLowerCase()) : undefined;
    if (tables === undefined) {
      if (tokens[i + 1]?.raw !== "(") found.add(token.value);
      continue;
    }
    for (let n = 0; n < tables; n++) {
      const argument = tokens[i + 2 + 2 * n];
      if (argument?.kind === "name" || argument?.kind === "word") found.add(argument.value);
    }
  }
  return [...found];
}

function isBehind(token: Token | undefined): boolean {
  return token?.kind === "word" && BEHIND.has(token.value);
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === "word" && token.value === word;
}
