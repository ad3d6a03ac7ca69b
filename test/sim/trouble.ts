/** Trouble: bursts of faults, processes that end or freeze, clocks that jump, retention, damaged checkpoints. */
import { below, pick } from "./events.ts";
import { OUTSIDE, type World } from "./world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Between two nights. */
const SUSPENDED_MS_MAX = 15 * HOUR_MS;
/** Acts are rare beside calls. */
const SCALE = 3;
/** Every read translates offsets through all of them. */
const GAPS_MAX = 6;

export async function trouble(world: World, isOver: () => boolean): Promise<void> {
  const { random, scheduler, faults } = world;
  while (!isOver()) {
    faults.isBurst = random.fraction() < 0.7;
    await scheduler.wait(OUTSIDE, 50 + below(random, 1_500));
    processes(world);
    clocks(world);
    if (faults.strikes("append refused: log full", SCALE))
      world.logFullUntilMs = scheduler.nowMs + below(random, 5_000);
    if (faults.strikes("retention ran", SCALE)) world.isRetentionDue = true;
    if (faults.strikes("offsets without records", SCALE)) await addGap(world);
    if (world.disk && faults.strikes("disk full"))
      world.disk.fullUntilMs = scheduler.nowMs + below(random, 5_000);
    if (faults.strikes("machine suspended", 0.3)) suspend(world);
    await checkpoints(world);
    spoilImages(world);
  }
}

/** As transaction markers and compaction leave them on Kafka. */
async function addGap(world: World): Promise<void> {
  const { random, memoryLog: log, faults } = world;
  const stream = await log?.stream(pick(random, world.types).name);
  if (!log || !stream || (faults.counts.get("offsets without records") ?? 0) > GAPS_MAX) return;
  await log.addGap(stream.name, below(random, stream.partitions), 1 + below(random, 3));
  world.gaps++;
  world.isDirty = true;
}

function processes(world: World): void {
  const { random, scheduler, faults } = world;
  helpers(world);
  const process = pick(random, world.processes);
  if (!process || process.isDead) return;
  // A start costs as much as everything else in a short history.
  if (world.disk && faults.strikes("power lost", 0.5)) {
    process.losesPower = true;
    process.callsLeft = 1 + below(random, 80);
  } else if (faults.strikes("process crashed")) process.callsLeft = 1 + below(random, 80);
  else if (faults.strikes("process stopped in order", 0.5)) process.stop();
  else if (faults.strikes("process paused", SCALE))
    process.pausedUntilMs = scheduler.nowMs + below(random, pick(random, [2_000, 20_000, 90_000]));
}

function helpers({ random, scheduler, faults, helpers: all }: World): void {
  if (all.size === 0) return;
  const helper = pick(random, [...all]);
  if (faults.strikes("helper crashed")) helper.callsLeft = 1 + below(random, 60);
  if (faults.strikes("helper paused"))
    helper.pausedUntilMs = scheduler.nowMs + below(random, pick(random, [2_000, 20_000, 90_000]));
}

function clocks(world: World): void {
  const { random, faults } = world;
  let ms = 0;
  if (faults.strikes("clock jumped forward", SCALE))
    ms += pick(random, [700, 70_000, HOUR_MS, 20 * HOUR_MS, 60 * HOUR_MS]);
  if (faults.strikes("clock jumped backward", SCALE)) ms -= pick(random, [700, 70_000, 2 * HOUR_MS]);
  if (ms === 0) return;
  const slot = pick(random, [...world.slots, undefined]);
  if (slot) slot.wallOffsetMs += ms;
  else world.logOffsetMs += ms;
}

/** Everything stands still for hours, in the middle of whatever it does. */
function suspend(world: World): void {
  const ms = pick(world.random, [HOUR_MS / 2, 3 * HOUR_MS, 9 * HOUR_MS]);
  // No attempt of anybody takes a day: that is what the sweeper relies on.
  if ((world.suspendedMs % DAY_MS) + ms < SUSPENDED_MS_MAX) world.sleep(ms);
}

/** State images are a cache: they may be gone, damaged, or those of another time. */
function spoilImages(world: World): void {
  const { random, faults } = world;
  const { images } = pick(random, world.slots);
  const paths = [...images.paths()];
  if (paths.length === 0) return;
  const path = pick(random, paths);
  if (faults.strikes("state image lost", SCALE)) images.poke(path, undefined);
  if (faults.strikes("state image damaged", SCALE)) {
    const bytes = images.peek(path)?.slice();
    if (bytes) bytes[below(random, bytes.length)]! ^= 1 << below(random, 8);
    images.poke(path, bytes);
  }
  if (!faults.strikes("state image of an earlier time", SCALE)) return;
  const kept = world.keptImages;
  world.keptImages = new Map(paths.map((one) => [one, images.peek(one)!]));
  for (const one of paths) images.poke(one, undefined);
  for (const [one, bytes] of kept) images.poke(one, bytes);
}

/**
 * Whether a table survives the loss of this checkpoint. What clean-up left is a checkpoint that may be lost, and
 * another: so of a table whose log is cleaned up one is spoilt, and the next only after two new ones were written.
 */
function isSpare(world: World, path: string, found: readonly { readonly path: string }[]): boolean {
  if (!path.endsWith(".parquet") || !world.faults.has("table log cleaned up")) return true;
  const folder = path.slice(0, path.lastIndexOf("/"));
  const versions = found
    .filter((one) => one.path.startsWith(folder))
    .map((one) => one.path.slice(0, -".checkpoint.parquet".length));
  const newer = versions.filter((version) => version > (world.spoilt.get(folder) ?? ""));
  if (newer.length < 2) return false;
  world.spoilt.set(folder, newer.sort().at(-1)!);
  return true;
}

async function checkpoints(world: World): Promise<void> {
  const { random, faults, store } = world;
  const isDamage = faults.has("checkpoint damaged") && random.fraction() < 0.3;
  const isDeletion = faults.has("checkpoint deleted") && random.fraction() < 0.3;
  if (!isDamage && !isDeletion) return;
  const found = (await store.list("")).filter(({ path }) =>
    /_last_checkpoint$|checkpoint\.parquet$/.test(path),
  );
  if (found.length === 0) return;
  const { path } = pick(random, found);
  if (!isSpare(world, path, found)) return;
  if (isDeletion) {
    faults.note("checkpoint deleted");
    return store.delete(path);
  }
  faults.note("checkpoint damaged");
  // Cut off or overwritten. Single flipped bytes are not drawn: docs/proofs/sim.md, "Found".
  const bytes = (await store.get(path))!;
  await store.put(
    path,
    random.fraction() < 0.5 ? bytes.subarray(0, below(random, bytes.length)) : bytes.fill(0x20),
  );
}
