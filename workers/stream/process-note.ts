/** Writes which jobs run in this process, and how they are, where other processes can read it. */
import type { Clock } from "../../core/clock.ts";
import { isStoreTrouble } from "../../core/errors.ts";
import { JOB_FOLDER, type JobNote, NOTE_EVERY_MS, notePath, type ProcessNote } from "../../core/job-note.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";

const LOOK_MS = 500;
/** Of processes that did not end in order, ms. */
const FORGOTTEN_MS = 86_400_000;

export interface NotePorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Until the signal is aborted; then the note goes. @param jobs by id, those that run here now */
export async function keepNote(
  { store, clock, logger }: NotePorts,
  process: string,
  jobs: () => Readonly<Record<string, JobNote>>,
  signal: AbortSignal,
): Promise<void> {
  const path = notePath(process);
  let [written, writtenMs] = ["", -Infinity];
  const guarded = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!isStoreTrouble(error)) throw error;
      logger.warn("nobody else can read which jobs run here", { error });
    }
  };
  await guarded(async () => {
    for (const { path: old, modifiedMs } of await store.list(JOB_FOLDER))
      if (clock.nowMs() - modifiedMs > FORGOTTEN_MS) await store.delete(old);
  });
  while (!signal.aborted) {
    const now = JSON.stringify(jobs());
    const sinceMs = clock.monotonicMs() - writtenMs;
    if (now !== written || (now !== "{}" && sinceMs >= NOTE_EVERY_MS)) {
      [written, writtenMs] = [now, clock.monotonicMs()];
      const note: ProcessNote = { version: 1, process, atMs: clock.nowMs(), jobs: JSON.parse(now) };
      await guarded(() => store.put(path, new TextEncoder().encode(JSON.stringify(note))));
    }
    await clock.sleep(LOOK_MS, signal);
  }
  await guarded(() => store.delete(path));
}
