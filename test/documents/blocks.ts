/** Fenced blocks of a page, and which of them are executed. */

/** Languages whose blocks are executed. */
const EXECUTED = new Set(["sh", "console", "sql", "python"]);
const NOT_EXECUTED = /^<!-- not executed: (.{20,}) -->$/;

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Line of the fence, from 1. */
  readonly line: number;
  /** Why it is not executed; undefined: it is, where its language is. */
  readonly reason: string | undefined;
}

/** @throws where a fence is never closed */
export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { language: string; line: number; reason: string | undefined; lines: string[] } | undefined;
  let before = "";
  for (const [index, line] of page.split("\n").entries()) {
    const fence = /^\s*```(\w*)\s*$/.exec(line);
    if (open && fence) {
      blocks.push({ ...open, text: open.lines.join("\n") });
      open = undefined;
    } else if (fence)
      open = { language: fence[1]!, line: index + 1, reason: NOT_EXECUTED.exec(before)?.[1], lines: [] };
    else open?.lines.push(line);
    if (line.trim() !== "") before = line.trim();
  }
  if (open) throw new Error(`the block that begins at line ${open.line} is never closed`);
  return blocks;
}

export function isExecuted({ language, reason }: Block): boolean {
  return EXECUTED.has(language) && reason === undefined;
}

/** Blocks of no language that hold commands all the same: they would slip through. */
export function looksLikeCommands({ language, text }: Block): boolean {
  return language === "" && /^\s*\$? ?(npx |npm |muara |curl )/m.test(text);
}

/** What a reader types of a block, one command each, with lines that go on joined. */
export function commandsOf({ language, text }: Block): readonly string[] {
  const lines = text.replaceAll("\\\n", " ").split("\n");
  if (language === "sh") return lines.filter((line) => line.trim() !== "" && !line.trim().startsWith("#"));
  const typed = lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
  return typed.filter((line) => !line.startsWith("#"));
}

/** `pause|resume|show NAME` stands for three commands. */
export function spelledOut(command: string): readonly string[] {
  const choice = /(?<=\s)([a-z-]+(?:\|[a-z-]+)+)(?=\s|$)/.exec(
    command.replace(/(["']).*?\1/g, (text) => "x".repeat(text.length)),
  );
  if (!choice) return [command];
  const [from, to] = [choice.index, choice.index + choice[0].length];
  return choice[0].split("|").map((word) => command.slice(0, from) + word + command.slice(to));
}
