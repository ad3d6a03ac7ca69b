/** A job's process that does not come up is not left behind. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { encodeJson } from "../../../lake/query/protocol.ts";
import { EngineProcess } from "../../../workers/stream/engine-process.ts";

test("one that says something else than that it is ready is ended, and its folder goes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "muara-engine-"));
  const said = encodeJson({ report: "failed", kind: "other", message: "no" });
  const hex = Buffer.from(said).toString("hex");
  const script = `process.stdout.write(Buffer.from("${hex}", "hex")); setInterval(() => {}, 1e6)`;
  const children: ChildProcess[] = [];
  const limits = { memory_bytes: 1e9, disk_bytes: 1e9, threads: 1, step_ms: 1_000, step_rows: 1 } as never;
  try {
    const starting = EngineProcess.start({
      job: "j",
      folder,
      limits,
      spawn: (_command, _args, options) => {
        const child = spawn(process.execPath, ["-e", script], { ...options, stdio: "pipe" });
        children.push(child);
        return child;
      },
    });
    await expect(starting).rejects.toThrow(/j/);
    expect(children.map(({ signalCode }) => signalCode)).toEqual(["SIGKILL"]);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
});
