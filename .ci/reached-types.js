/**
 * Keeps of a compiled tree the declarations that its entry reaches: nobody can import the others, and they would be a
 * fifth of the package. Takes the entry's `.d.ts`; removes every other one below its folder.
 */
import { readdir, readFile, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";

const IMPORT = /(?:from|import)\s*\(?\s*"(\.[^"]+)"/g;

/** @returns paths of the declarations that one declaration leads to, itself included */
async function reached(entry) {
  const found = new Set([entry]);
  for (const path of found) {
    const text = await readFile(path, "utf8");
    for (const [, name] of text.matchAll(IMPORT))
      found.add(resolve(dirname(path), name).replace(/\.(js|ts)$/, ".d.ts"));
  }
  return found;
}

const entry = resolve(process.argv[2]);
const folder = dirname(entry);
const kept = await reached(entry);
for (const name of await readdir(folder, { recursive: true })) {
  const path = join(folder, name);
  if (path.endsWith(".d.ts") && !kept.has(path)) await unlink(path);
}
