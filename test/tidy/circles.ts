/**
 * No circles: no file imports, through others, itself; imports of types count, too. Files that need each other are
 * one thing in two places, or hide a third that both stand on.
 */
import { posix } from "node:path";
import { referencesOf } from "./imports.ts";
import { isCode, type Rule, type SourceFile } from "./source-file.ts";

/** @returns groups of paths of which each reaches each other (Tarjan 1972, strongly connected components) */
export function circlesOf(files: readonly SourceFile[]): readonly (readonly string[])[] {
  const code = files.filter(isCode);
  const known = new Set(code.map(({ path }) => path));
  const targets = new Map(code.map((file) => [file.path, targetsOf(file, known)] as const));
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (path: string): number => {
    order.set(path, order.size);
    let low = order.get(path)!;
    stack.push(path);
    for (const target of targets.get(path)!)
      if (!order.has(target)) low = Math.min(low, visit(target));
      else if (stack.includes(target)) low = Math.min(low, lowest.get(target) ?? order.get(target)!);
    lowest.set(path, low);
    if (low === order.get(path)) {
      const group = stack.splice(stack.indexOf(path));
      if (group.length > 1) circles.push(group.toSorted());
    }
    return low;
  };
  for (const path of known) if (!order.has(path)) visit(path);
  return circles;
}

function targetsOf(file: SourceFile, known: ReadonlySet<string>): readonly string[] {
  return referencesOf(file)
    .filter(({ kind }) => kind === "import")
    .map(({ specifier }) => posix.join(posix.dirname(file.path), specifier))
    .filter((target) => known.has(target) && target !== file.path);
}

export const noCircles: Rule = (files) =>
  circlesOf(files).map((paths) => `${paths[0]!}:1 stands in a circle of imports: ${paths.join(", ")}`);
