/** Why a job is refused: thrown while planning, told with line and column of the job's file. */
import type { JobRefusal } from "./plan.ts";

export class JobRefused extends Error {
  /** In the job's file, UTF-16 units from 0; null: nobody knows. */
  readonly at: number | null;
  readonly instead: string | null;

  constructor(at: number | null, reason: string, instead: string | null = null) {
    super(reason);
    this.at = at;
    this.instead = instead;
  }
}

/** @param source the job's file */
export function refusalOf({ at, message, instead }: JobRefused, source: string): JobRefusal {
  return { ...placeOf(source, at ?? 0), reason: message, instead };
}

/** Line and column, 1-based; a column counts characters, not UTF-16 units. */
export function placeOf(source: string, at: number): { line: number; column: number } {
  const before = source.slice(0, at);
  const start = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: countCharacters(before.slice(start)) + 1 };
}

function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** Where in a text that many characters end, UTF-16 units. */
export function indexOfCharacter(text: string, characters: number): number {
  let left = characters;
  let index = 0;
  for (const character of text) {
    if (left-- <= 0) return index;
    index += character.length;
  }
  return index;
}

/** Where in a text its UTF-8 has that byte: the engine's tree counts bytes. */
export function indexOfByte(text: string, byte: number): number {
  let bytes = 0;
  let index = 0;
  for (const character of text) {
    if (bytes >= byte) return index;
    const code = character.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
    index += character.length;
  }
  return index;
}
