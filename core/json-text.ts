/**
 * Changing and comparing JSON as text: what is not touched keeps every byte, so no digit is lost to a number that
 * JavaScript cannot hold. Places are JSON pointers (RFC 6901). For the few events that a person looks at, not for
 * the hot path.
 */
import { MuaraError } from "./errors.ts";
import { parseJson } from "./parse-json.ts";

/** Deeper text is refused: reading it takes one call a level. */
const DEPTH_MAX = 500;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const SCALAR = /[^\s,\]}]+/y;
const SPACE = /\s*/y;
const INDEX = /^(?:0|[1-9]\d{0,8})$/;

export interface JsonEdit {
  /** RFC 6901. */
  readonly pointer: string;
  /** The new value as JSON text; null takes the place away. */
  readonly json: string | null;
}

export interface JsonDifference {
  readonly pointer: string;
  /** JSON texts; null where there is nothing. */
  readonly first: string | null;
  readonly second: string | null;
}

/** A value and where it stands in its text: [from, to). */
interface Node {
  readonly from: number;
  readonly to: number;
  readonly members?: readonly Member[];
  readonly items?: readonly Node[];
}

interface Member {
  readonly key: string;
  /** Of the key's opening quote. */
  readonly from: number;
  readonly value: Node;
}

/**
 * Applies edits one after the other. A missing last member is added, `-` and the length of an array append.
 * @throws dead_letter.correction naming the pointer
 */
export function editJson(text: string, edits: readonly JsonEdit[]): string {
  return edits.reduce((edited, edit) => applyEdit(edited, edit), text);
}

/** Where two JSON texts say something else, in document order; undefined where one is no JSON. */
export function jsonDifferences(
  first: string,
  second: string,
  countMax: number,
): JsonDifference[] | undefined {
  const found: JsonDifference[] = [];
  try {
    const root = { a: readText(first), b: readText(second) };
    compare({ text: first, node: root.a }, { text: second, node: root.b }, "", found, countMax);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return found;
}

function applyEdit(text: string, { pointer, json }: JsonEdit): string {
  let node: Node;
  try {
    if (json !== null) parseJson(json);
    node = readText(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw wrong(pointer, "the value, or the event itself, is not JSON; give the whole event instead", cause);
  }
  const steps = stepsOf(pointer);
  const last = steps.pop();
  if (last === undefined) {
    if (json === null) throw wrong(pointer, "the whole event cannot be taken away");
    return json;
  }
  for (const step of steps) {
    const next = childOf(node, step, pointer);
    if (!next) throw wrong(pointer, `nothing is at "${step}" on the way`);
    node = next;
  }
  if (json === null) return without(text, node, last, pointer);
  const present = childOf(node, last, pointer);
  if (present) return splice(text, present.from, present.to, json);
  return added(text, node, last, json, pointer);
}

function added(text: string, node: Node, step: string, json: string, pointer: string): string {
  const { members, items } = node;
  if (items && step !== "-" && step !== String(items.length))
    throw wrong(pointer, `the list has ${items.length} items`);
  if (!members && !items) throw wrong(pointer, "its parent is no object and no list");
  const end = (members?.at(-1)?.value ?? items?.at(-1))?.to;
  const at = end ?? node.from + 1;
  const value = members ? `${JSON.stringify(step)}:${json}` : json;
  return splice(text, at, at, end === undefined ? value : `,${value}`);
}

function without(text: string, node: Node, step: string, pointer: string): string {
  const places = node.members ?? node.items ?? [];
  const at = node.members
    ? node.members.findIndex(({ key }) => key === step)
    : INDEX.test(step) && Number(step) < places.length
      ? Number(step)
      : -1;
  if (at < 0 || !childOf(node, step, pointer)) throw wrong(pointer, "nothing is there to be taken away");
  const endOf = (place: Member | Node): number => ("value" in place ? place.value.to : place.to);
  const place = places[at]!;
  const before = places[at - 1];
  const after = places[at + 1];
  if (before) return splice(text, endOf(before), endOf(place), "");
  return splice(text, place.from, after ? after.from : endOf(place), "");
}

/** @throws dead_letter.correction where an object has the key twice */
function childOf({ members, items }: Node, step: string, pointer: string): Node | undefined {
  if (items) return INDEX.test(step) ? items[Number(step)] : undefined;
  const found = members?.filter(({ key }) => key === step) ?? [];
  if (found.length > 1) throw wrong(pointer, `"${step}" is there twice; give the whole event instead`);
  return found[0]?.value;
}

function stepsOf(pointer: string): string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer))
    throw wrong(pointer, "is no JSON pointer; one looks like /items/0/price");
  return pointer
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

interface Part {
  readonly text: string;
  readonly node: Node;
}

function compare(a: Part, b: Part, pointer: string, found: JsonDifference[], countMax: number): void {
  if (found.length >= countMax) return;
  const [x, y] = [a.node, b.node];
  if (!((x.members && y.members) || (x.items && y.items))) {
    const [first, second] = [rawOf(a), rawOf(b)];
    if (!isSameScalar(first, second)) found.push({ pointer, first, second });
    return;
  }
  const [left, right] = [childrenOf(x), childrenOf(y)];
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    if (found.length >= countMax) return;
    const at = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    const [one, two] = [left.get(key), right.get(key)];
    if (one && two) compare({ text: a.text, node: one }, { text: b.text, node: two }, at, found, countMax);
    else {
      const first = one ? rawOf({ text: a.text, node: one }) : null;
      found.push({ pointer: at, first, second: two ? rawOf({ text: b.text, node: two }) : null });
    }
  }
}

function childrenOf({ members, items }: Node): Map<string, Node> {
  if (members) return new Map(members.map(({ key, value }) => [key, value]));
  return new Map((items ?? []).map((item, i) => [String(i), item]));
}

function rawOf({ text, node }: Part): string {
  return text.slice(node.from, node.to);
}

/** Strings may be escaped differently; numbers are what they are written as. */
function isSameScalar(a: string, b: string): boolean {
  if (a === b) return true;
  return a.startsWith('"') && b.startsWith('"') && JSON.parse(a) === JSON.parse(b);
}

function splice(text: string, from: number, to: number, put: string): string {
  return text.slice(0, from) + put + text.slice(to);
}

function wrong(pointer: string, reason: string, cause?: unknown): MuaraError {
  const details = { pointer };
  return new MuaraError("dead_letter.correction", `${pointer || "(the event)"}: ${reason}.`, {
    details,
    cause,
  });
}

/** @throws SyntaxError */
function readText(text: string): Node {
  parseJson(text); // from here on it is known to be JSON
  return new Reader(text).value(0);
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#take(SPACE);
  }

  value(depth: number): Node {
    if (depth > DEPTH_MAX) throw new SyntaxError(`nested deeper than ${DEPTH_MAX}`);
    const from = this.#at;
    switch (this.#text[from]) {
      case "{": {
        const members: Member[] = [];
        while (this.#goesOn("}")) {
          const start = this.#at;
          const key = String(JSON.parse(this.#take(STRING)));
          this.#take(SPACE);
          this.#step(); // the colon
          members.push({ key, from: start, value: this.value(depth + 1) });
          this.#take(SPACE);
        }
        return { from, to: this.#at, members };
      }
      case "[": {
        const items: Node[] = [];
        while (this.#goesOn("]")) {
          items.push(this.value(depth + 1));
          this.#take(SPACE);
        }
        return { from, to: this.#at, items };
      }
      default:
        this.#take(this.#text[from] === '"' ? STRING : SCALAR);
        return { from, to: this.#at };
    }
  }

  /** Steps over the opening bracket or a comma; over the closing bracket, too, and then says no. */
  #goesOn(closing: string): boolean {
    if (this.#text[this.#at] !== closing) this.#step();
    if (this.#text[this.#at] !== closing) return true;
    this.#at++;
    return false;
  }

  #step(): void {
    this.#at++;
    this.#take(SPACE);
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [taken = ""] = pattern.exec(this.#text) ?? [];
    this.#at += taken.length;
    return taken;
  }
}
