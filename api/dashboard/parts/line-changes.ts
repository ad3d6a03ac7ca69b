/** Two texts by lines: what stayed, what went, what came (the longest common run of lines, by dynamic programming). */
export interface LineChange {
  readonly kind: "same" | "gone" | "new";
  readonly text: string;
}

/** Job files are short: at most 64 kB. */
export function lineChanges(before: string, after: string): readonly LineChange[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  // longest[i][j]: common lines of a from i and b from j.
  const longest = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i]![j] =
        a[i] === b[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!);
  const changes: LineChange[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      changes.push({ kind: "same", text: a[i]! });
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && longest[i + 1]![j]! >= longest[i]![j + 1]!))
      changes.push({ kind: "gone", text: a[i++]! });
    else changes.push({ kind: "new", text: b[j++]! });
  }
  return changes;
}
