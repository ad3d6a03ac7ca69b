/**
 * Pieces of SQL that somebody writes into a declaration: one expression, which stands in parentheses where it is used.
 * Only what could end those parentheses is looked for here; what the expression means is the engine's to say, and what
 * it may read is for the gate.
 */
const CLOSING: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };
const QUOTED = /'(?:[^']|'')*'|"(?:[^"]|"")*"/y;

/** @returns why the text cannot stand in parentheses as it is; undefined where it can */
export function pieceProblem(text: string): string | undefined {
  const open: string[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === "'" || character === '"') {
      QUOTED.lastIndex = at;
      const quoted = QUOTED.exec(text);
      if (!quoted) return `a ${character} is not closed`;
      at += quoted[0].length - 1;
    } else if (character === ";") return "a ; ends a statement, and this is one expression";
    else if (character === "$") return "a $ begins a parameter or a text; write texts in '…'";
    else if (text.startsWith("--", at) || text.startsWith("/*", at)) return "it has a comment";
    else if ("([{".includes(character)) open.push(character);
    else if (CLOSING[character] !== undefined && open.pop() !== CLOSING[character])
      return `a ${character} closes nothing`;
  }
  if (open.length > 0) return `a ${open.at(-1)!} is not closed`;
  return text.trim() === "" ? "it is empty" : undefined;
}
