/** What other processes say of their jobs is read as long as it can be; nothing depends on it. */
import { expect, test } from "vitest";
import { createMemoryObjectStore } from "../../adapters/memory/object-store.ts";
import type { ApiPorts } from "../../api/context.ts";
import { readJobNotes } from "../../api/job-notes.ts";
import { NOTE_KEPT_MS, notePath } from "../../core/job-note.ts";

const NOW_MS = 1_000_000;

test("notes that cannot be read, or are old, are as if they were not there", async () => {
  const store = createMemoryObjectStore();
  const put = (name: string, text: string): Promise<unknown> =>
    store.put(notePath(name), new TextEncoder().encode(text));
  const note = (process: string, more: object = {}): string => {
    const jobs = { [`job-of-${process}`]: { state: "running", problem: null } };
    return JSON.stringify({ version: 1, process, atMs: NOW_MS, jobs, ...more });
  };
  await put("good", note("good"));
  await put("young", note("young", { atMs: NOW_MS - NOTE_KEPT_MS }));
  await put("old", note("old", { atMs: NOW_MS - NOTE_KEPT_MS - 1 }));
  await put("cut", note("cut").slice(0, 40));
  await put("newer", note("newer", { version: 2 }));
  await put("odd", note("odd", { jobs: null }));
  await put("empty", "");
  const ports = { store, clock: { nowMs: () => NOW_MS } } as unknown as ApiPorts;
  expect([...(await readJobNotes(ports)).keys()].toSorted()).toEqual(["job-of-good", "job-of-young"]);
});
