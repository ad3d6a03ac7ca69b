import { expect, test } from "vitest";
import { createLogKeeper } from "../../lake/log-keeper.ts";
import { createProjector } from "../../workers/land/projector.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import { DAY_MS, declare, event, eventType, install, never, OPTIONS, send } from "../workers/land/setup.ts";

const NAME = "order.created";

async function oldest(at: Awaited<ReturnType<typeof install>>, table: string): Promise<number> {
  const objects = await at.store.list(`${table}/_delta_log`);
  return Number(
    objects
      .find(({ path }) => path.endsWith(".json"))!
      .path.split("/")
      .at(-1)!
      .slice(0, 20),
  );
}

test("logs are cut where everybody has consumed them, and everything goes on after it", async () => {
  const at = await install();
  await declare(at, eventType());
  const keeper = createLogKeeper(at.ports, { everyMs: 1, holdMs: 7 * DAY_MS });
  const projector = createProjector(at.ports);
  const land = async (from: number, count: number): Promise<void> => {
    const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
    for (let n = from; n < from + count; n++) {
      await send(at, [event(n)]);
      await landing.step(never);
    }
    landing.discard();
  };
  await land(0, 330);
  at.clock.advance(4 * DAY_MS);
  await keeper.pass(never);
  expect(await oldest(at, NAME)).toBe(0); // nobody has consumed anything, for less than the time to wait
  while (await projector.pass(never));
  await keeper.pass(never);
  expect(await oldest(at, NAME)).toBe(200);

  await land(400, 2);
  while (await projector.pass(never));
  const books = await at.openTable("books").snapshot();
  const { metadata, version } = await at.openTable(NAME).snapshot();
  expect(version).toBe(332);
  expect(Number(books.txns.get(`proj:${metadata!.id}`))).toBe(version);
  expect(at.lines.filter(({ level }) => level === "error" || level === "warn")).toEqual([]);
});

test("where a projection cannot be read, nothing that it may need goes", async () => {
  let isBroken = false;
  const at = await install((operation, path) =>
    isBroken && operation === "list" && path.startsWith("duplicates") ? "lost" : undefined,
  );
  await declare(at, eventType());
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  for (let n = 0; n < 201; n++) {
    await send(at, [event(n)]);
    await landing.step(never);
  }
  landing.discard();
  const projector = createProjector(at.ports);
  while (await projector.pass(never));
  at.clock.advance(60 * DAY_MS);
  isBroken = true;
  const keeper = createLogKeeper(at.ports, { everyMs: 1, holdMs: DAY_MS });
  await keeper.pass(never);
  expect(at.lines.filter(({ level }) => level === "error").map(({ table }) => table)).toEqual(["duplicates"]);
  expect(await oldest(at, NAME)).toBe(0);
  isBroken = false;
  await keeper.pass(never);
  expect(await oldest(at, NAME)).toBe(100);
});
