import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { link, mkdtemp, readdir, readFile, rm, symlink, unlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, it } from "vitest";
import { createFileObjectStore } from "../../../adapters/file/object-store.ts";
import { withPathLock } from "../../../adapters/file/path-lock.ts";
import { hasCode } from "../../../core/errors.ts";
import { probeAtomicity } from "../../../core/probe-atomicity.ts";
import { systemRandomness } from "../../../core/clock.ts";
import { objectStoreCases } from "../../conformance/object-store.ts";

const RACER = fileURLToPath(new URL("store-racer.ts", import.meta.url));
const bytes = new Uint8Array([1, 2, 3]);

const folders: string[] = [];
async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "muara-store-"));
  folders.push(folder);
  return folder;
}
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

function startRacer(...words: readonly string[]): ChildProcess {
  const runtime = "Deno" in globalThis ? ["run", "-A"] : [];
  return spawn(process.execPath, [...runtime, RACER, ...words], { stdio: ["ignore", "pipe", "inherit"] });
}

/** The JSON that a racer prints. */
async function race(...words: readonly string[]): Promise<unknown> {
  const child = startRacer(...words);
  let text = "";
  child.stdout!.on("data", (part: Buffer) => (text += part.toString()));
  const [code] = await once(child, "close");
  assert.equal(code, 0, text);
  return JSON.parse(text);
}

describe("object store in a directory", () => {
  it.each(objectStoreCases)("%s", (_name, run) =>
    run({ open: async () => createFileObjectStore({ root: join(await freshFolder(), "deep", "lake") }) }),
  );
});

describe("several processes in one directory", () => {
  it("each of 60 names is won by exactly one of 4 processes, and nobody sees half a file", async () => {
    const root = await freshFolder();
    const names = ["a", "b", "c", "d"];
    const races = Promise.all(names.map((name) => race("absent", root, name, "60")));
    const store = createFileObjectStore({ root });
    const end = new AbortController();
    void races.finally(() => end.abort()).catch(() => undefined);
    let seen = 0;
    while (!end.signal.aborted) {
      for (const { path } of await store.list("race")) {
        const found = (await store.get(path))!;
        assert.equal(found.length, 20_000, path);
        assert.ok(
          found.every((byte) => byte === found[0]),
          path,
        );
        seen++;
      }
    }
    const won = await races;
    assert.deepEqual(
      won.flat().sort((a, b) => Number(a) - Number(b)),
      Array.from({ length: 60 }, (_, round) => round),
    );
    for (const [index, rounds] of won.entries()) {
      assert.ok(Array.isArray(rounds));
      for (const round of rounds) {
        assert.equal(String.fromCharCode((await store.get(`race/${round}`))![0]!), names[index]);
      }
    }
    assert.ok(seen > 0);
    assert.deepEqual(await readdir(join(root, ".store")), [], "no temporary file is left");
  });

  it("no increment of 3 processes is lost", async () => {
    const root = await freshFolder();
    const store = createFileObjectStore({ root });
    await store.put("counter", new TextEncoder().encode("0"));
    await Promise.all(["a", "b", "c"].map((name) => race("match", root, name, "25")));
    assert.equal(new TextDecoder().decode(await store.get("counter")), "75");
  });
});

/** The content of a lock file whose owner is dead: this process, had it started at another time. */
async function deadOwner(root: string, id: string): Promise<string> {
  const path = join(root, `mine-${id}.lock`);
  const mine = await withPathLock(path, () => readFile(path, "utf8"));
  const [, host, boot, pid] = mine.split("\n");
  return [id, host, boot, pid, "1"].join("\n");
}

describe("the lock file", () => {
  it("outlives nobody: many waiters break the lock of a killed process, one after another", async () => {
    const root = await freshFolder();
    const lock = join(root, "x.lock");
    const holder = startRacer("hold", root, "x.lock");
    await once(holder.stdout!, "data");
    let isBroken = false;
    let inside = 0;
    const waiters = Array.from({ length: 10 }, () =>
      withPathLock(lock, async () => {
        assert.ok(isBroken, "entered while the holder lived");
        assert.equal(++inside, 1, "two hold the lock");
        await new Promise((resolve) => setTimeout(resolve, 2));
        inside--;
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    isBroken = true;
    holder.kill("SIGKILL");
    await Promise.all(waiters);
    assert.deepEqual(await readdir(root), []);
  });

  it("a name without content, as a machine crash leaves it, is nobody's lock", async () => {
    const root = await freshFolder();
    await writeFile(join(root, "x.lock"), "");
    assert.equal(await withPathLock(join(root, "x.lock"), async () => 5), 5);
    assert.deepEqual(await readdir(root), []);
  });

  it("is broken once per death: 40 deaths, 12 waiters each, never two inside", async () => {
    const root = await freshFolder();
    const lock = join(root, "x.lock");
    for (let death = 0; death < 40; death++) {
      await writeFile(lock, await deadOwner(root, `death-${death}`));
      let inside = 0;
      const waiter = async (): Promise<void> => {
        assert.equal(++inside, 1, "two hold the lock");
        await new Promise((resolve) => setTimeout(resolve, 1));
        inside--;
      };
      await Promise.all(Array.from({ length: 12 }, () => withPathLock(lock, waiter)));
    }
    assert.deepEqual(await readdir(root), []);
  });

  it("is broken also when those who were breaking it died", async () => {
    const root = await freshFolder();
    const lock = join(root, "x.lock");
    await writeFile(lock, await deadOwner(root, "first"));
    await writeFile(`${lock}.first.1`, await deadOwner(root, "second"));
    await writeFile(`${lock}.first.2`, await deadOwner(root, "third"));
    assert.equal(await withPathLock(lock, async () => 5, { waitMsMax: 200 }), 5);
    assert.deepEqual(await readdir(root), []);
  });

  it("of an owner on another machine is waited for, then left alone", async () => {
    const root = await freshFolder();
    const lock = join(root, "x.lock");
    const elsewhere = (await deadOwner(root, "far")).replace(/\n.*\n/, "\nanother host\n");
    await writeFile(lock, elsewhere);
    const waiting = withPathLock(lock, async () => 5, { waitMsMax: 50 });
    await assert.rejects(waiting, (error) => hasCode(error, "store.unavailable"));
    assert.deepEqual(await readdir(root), ["x.lock"]);
  });

  it("is freed when the work fails", async () => {
    const root = await freshFolder();
    const lock = join(root, "x.lock");
    await assert.rejects(
      withPathLock(lock, () => Promise.reject(new Error("work failed"))),
      /work failed/,
    );
    assert.equal(await withPathLock(lock, async () => 5), 5);
  });
});

describe("the directory", () => {
  it("keeps temporary files out of sight and sweeps the old ones", async () => {
    const root = await freshFolder();
    await createFileObjectStore({ root }).put("a/x", bytes);
    for (const name of ["old.tmp", "new.tmp"]) await writeFile(join(root, ".store", name), "half");
    await utimes(join(root, ".store", "old.tmp"), 1000, 1000);
    const store = createFileObjectStore({ root });
    await store.put("a/y", bytes);
    assert.deepEqual(await readdir(join(root, ".store")), ["new.tmp"]);
    const listed = await store.list("");
    assert.deepEqual(
      listed.map((one) => one.path),
      ["a/x", "a/y"],
    );
  });

  it("works on after somebody removed a folder that it knew", async () => {
    const root = await freshFolder();
    const store = createFileObjectStore({ root });
    await store.put("a/b/x", bytes);
    await rm(join(root, "a"), { recursive: true });
    assert.equal((await store.putIfAbsent("a/b/x", bytes)).outcome, "done");
    await rm(join(root, "a"), { recursive: true });
    await store.put("a/b/x", bytes);
    assert.deepEqual(await store.get("a/b/x"), bytes);
  });

  it("a folder and an object cannot share a name: store.path", async () => {
    const store = createFileObjectStore({ root: await freshFolder() });
    await store.put("a/b", bytes);
    const calls = [
      () => store.put("a", bytes),
      () => store.putIfAbsent("a", bytes),
      () => store.put("a/b/c", bytes),
      () => store.putIfAbsent("a/b/c", bytes),
    ];
    for (const call of calls) await assert.rejects(call, (error) => hasCode(error, "store.path"));
    await store.delete("a");
    assert.deepEqual(await store.get("a/b"), bytes);
  });

  it("a disk that refuses is store.unavailable, and nothing of the write is visible", async () => {
    const root = await freshFolder();
    const store = createFileObjectStore({ root });
    await store.put("a/x", bytes);
    // A file where the store keeps its temporary files stands for every error before the name appears.
    await rm(join(root, ".store"), { recursive: true });
    await symlink("/dev/null", join(root, ".store"));
    const calls = [() => store.put("a/y", bytes), () => store.putIfAbsent("a/y", bytes)];
    for (const call of calls)
      await assert.rejects(
        call,
        (error) => hasCode(error, "store.path") || hasCode(error, "store.unavailable"),
      );
    assert.equal(await store.get("a/y"), undefined);
    await unlink(join(root, ".store"));
    await store.put("a/y", bytes);
  });

  it("lists neither links to folders nor names that it would refuse", async () => {
    const root = await freshFolder();
    const store = createFileObjectStore({ root });
    await store.put("a/x", bytes);
    await symlink(tmpdir(), join(root, "a", "elsewhere"));
    await writeFile(join(root, "a", "a b"), "");
    await link(join(root, "a", "x"), join(root, "a", ".x.crc"));
    const listed = await store.list("");
    assert.deepEqual(
      listed.map((one) => one.path),
      ["a/x"],
    );
  });

  it("passes the start-up race probe and leaves nothing of it", async () => {
    const store = createFileObjectStore({ root: await freshFolder() });
    assert.equal(await probeAtomicity(store, "probe", systemRandomness), "atomic");
    assert.deepEqual(await store.list(""), []);
  });
});
