/**
 * The text of a rule's query. `$now` stands for the time of the evaluation, and is the only clock that a rule has: what
 * it said at a time can be asked again, of the same versions of the tables.
 */
import { MuaraError } from "../../core/errors.ts";
import { NOW_PARAMETER } from "../../core/rule.ts";
import { judge } from "../query/gate.ts";
import { impureFunction } from "../query/purity.ts";
import { tokensOf } from "../job/job-lexer.ts";
import { JobRefused } from "../job/refusal.ts";

const ENGINE_BYTES = 67_108_864;
const [SIGN, WORD] = [NOW_PARAMETER[0], NOW_PARAMETER.slice(1)];

/** The query at a time. @param atMs ms since 1970 UTC @throws rule.refused for a text that does not end */
export function queryAt(query: string, atMs: number): string {
  const tokens = tokensIn(query);
  let [text, from] = ["", 0];
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1];
    if (token.raw !== SIGN || next?.raw.toLowerCase() !== WORD || next.start !== token.end) continue;
    text += `${query.slice(from, token.start)}${timeText(atMs)}`;
    from = next.end;
  }
  return text + query.slice(from);
}

/** `TIMESTAMPTZ '2026-11-22T20:00:00.000Z'` */
export function timeText(atMs: number): string {
  return `TIMESTAMPTZ '${new Date(atMs).toISOString()}'`;
}

/**
 * Whether it is one SELECT whose answer follows from the tables and `$now`.
 * @throws rule.refused, sql.syntax, sql.refused
 */
export async function checkQuery(query: string): Promise<void> {
  const { lock, openEngine, serializeSql } = await import("../query/session.ts");
  const sql = queryAt(query, 0);
  const engine = await openEngine({ memoryBytes: ENGINE_BYTES, threads: 1 });
  try {
    await lock(engine, []);
    const serialized = await serializeSql(engine, sql);
    const judged = judge(serialized);
    if (judged.kind === "syntax") throw new MuaraError("sql.syntax", judged.reason);
    if (judged.kind === "refused") throw new MuaraError("sql.refused", `Not allowed: ${judged.reason}.`);
    if (judged.kind !== "query") throw refused("it is no SELECT");
    const impure = impureFunction(serialized);
    if (impure !== undefined) throw refused(`${impure} has another answer each time; write ${NOW_PARAMETER}`);
  } finally {
    engine.closeSync();
  }
}

export function refused(reason: string): MuaraError {
  return new MuaraError("rule.refused", `The rule is refused: ${reason}.`);
}

function tokensIn(query: string): ReturnType<typeof tokensOf> {
  try {
    return tokensOf(query);
  } catch (error) {
    if (error instanceof JobRefused) throw refused(error.message.replace(/\.$/, ""));
    throw error;
  }
}
