/**
 * An erasure that is cut off, by SIGTERM and by `kill -9`, while its process works: that process ends, too, the service
 * ends promptly, and after a restart the record says that it is not complete; repeated, nothing of the subject is
 * anywhere in the data folder: table, ledgers, side files, temporary files, the log's segments.
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { seededRandomness, systemClock } from "../../core/clock.ts";
import { holds } from "../lake/byte-scan.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { call, declareNotes, TYPE } from "./notes.ts";

const COMMITS = 3;
/** Longer than a stop may take (9 s), on a machine that is busy. */
const END_MS_MAX = 40_000;

/** Events of the subject and of others, in several commits; one of each comes twice. */
async function publish(muara: MuaraProcess, from: number, canary: string): Promise<void> {
  for (let commit = 0; commit < COMMITS; commit++) {
    const events = [0, 1, 2, 3, 3].map((i) => ({
      metadata: {
        eid: `00000000-0000-4000-8000-${(from + commit * 4 + i).toString(16).padStart(12, "0")}`,
        occurred_at: "2026-03-01T10:00:00Z",
      },
      n: from + commit * 4 + i,
      who: i % 2 === 1 ? canary : "another",
    }));
    await call(muara, "POST", `/event-types/${TYPE}/events`, events);
    await eventually("everything landed", 120_000, async () => {
      const { items } = (await call(muara, "GET", `/v1/books?event_type=${TYPE}`)) as {
        items: { in_flight: number }[];
      };
      return items[0]!.in_flight === 0;
    });
  }
}

/** Processes that rewrite files for this one. */
async function rewriters(pid: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "latin1").catch(() => "");
    if (stat.replace(/^.*\) \S+ /s, "").split(" ")[0] !== String(pid)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, "latin1").catch(() => "");
    if (line.includes("rewrite-child")) found.push(Number(name));
  }
  return found;
}

async function isAlive(pid: number): Promise<boolean> {
  return readlink(`/proc/${pid}/exe`).then(
    () => true,
    () => false,
  );
}

async function holders(data: string, text: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const file of await readdir(data, { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath, file.name);
    const bytes = file.isFile() ? await readFile(path).catch(() => undefined) : undefined;
    if (bytes && (await holds(bytes, text))) found.push(path);
  }
  return found;
}

interface Shown {
  readonly complete: boolean;
  readonly log_until: string | null;
  readonly tables: readonly { readonly rows: number; readonly log_records: number | null }[];
}

/** On a machine that stands still its process may be given up, which the answer says; nothing has changed then. */
async function erase(muara: MuaraProcess, body: unknown): Promise<Shown> {
  for (let attempt = 1; ; attempt++)
    try {
      return (await call(muara, "POST", "/v1/erasures", body)) as Shown;
    } catch (error) {
      if (attempt === 3 || !String(error).includes("table.rewrite_failed")) throw error;
      process.stderr.write(`${String(error)}\n${muara.log()}\n`);
    }
}

test("an erasure that is cut off leaves a process that ends, and is finished by a repeat", async () => {
  const folder = await temporaryFolder("erasure-stop");
  let muara = await startMuara(folder.path, { MUARA_UPKEEP_COMPACT_MS: "3600000" });
  try {
    const chance = seededRandomness(23);
    await declareNotes(muara);
    let cutOff = 0;
    const cycles = process.env["MUARA_LONG"] ? 10 : 1;
    const signals = Array.from({ length: cycles }, () => ["SIGTERM", "SIGKILL"]).flat();
    for (const [cycle, signal] of signals.entries()) {
      const canary = `canary-${cycle}-5512`;
      await publish(muara, cycle * 100, canary);
      expect((await holders(folder.path, canary)).length, "files with the text").toBeGreaterThan(COMMITS);
      const body = { event_types: [TYPE], where: { column: "who", value: canary }, reason: "asked" };
      const answer = call(muara, "POST", "/v1/erasures", body).then(
        () => true,
        () => false,
      );
      let working: readonly number[] = [];
      await eventually("a process works for it", 120_000, async () => {
        working = await rewriters(muara.pid);
        return working.length > 0;
      });
      // From its start on, to when the commit is made, or has been.
      await systemClock.sleep(chance.fraction() * (cycle % 4 < 2 ? 300 : 1_500));
      const startedMs = systemClock.monotonicMs();
      await (signal === "SIGTERM" ? muara.stop() : muara.kill());
      expect(systemClock.monotonicMs() - startedMs).toBeLessThan(END_MS_MAX);
      if (!(await answer)) cutOff++;
      for (const pid of working)
        await eventually("its process ended", 30_000, async () => !(await isAlive(pid)));

      muara = await startMuara(folder.path, { MUARA_UPKEEP_COMPACT_MS: "3600000" });
      const { items } = (await call(muara, "GET", "/v1/erasures")) as { items: Shown[] };
      expect(items.filter(({ complete }) => !complete).length).toBeLessThanOrEqual(cutOff);
      const erased = await erase(muara, body);
      expect(erased).toMatchObject({ complete: true, log_until: null });
      expect(await holders(folder.path, canary)).toEqual([]);
      expect(await muara.sql(`SELECT count(*) FROM "${TYPE}" WHERE who = 'another'`)).toEqual([
        [String((cycle + 1) * COMMITS * 2)],
      ]);
      const verified = await call(muara, "GET", `/v1/tables/${TYPE}/verify?deep=true`);
      expect(verified).toMatchObject({ holds: true, faults: [] });
    }
    expect(cutOff, "erasures that were cut off").toBeGreaterThan(0);
  } finally {
    await muara.stop();
    await folder.remove();
  }
}, 600_000);
