/** Producers: they declare types, post events through the doors, and send again what nobody told them about. */
import { MuaraError } from "../../core/errors.ts";
import { packRecords } from "../../core/record.ts";
import { below, type Draft, pick, type SimType } from "./events.ts";
import type { SimProcess } from "./process.ts";
import { OUTSIDE, type World } from "./world.ts";

const HEADER = "{}";

/** Declares a type, wherever a door is open, until it is declared. */
export async function declare(world: World, name: string): Promise<void> {
  const type = world.drawType(name);
  world.types.push(type);
  for (;;) {
    const doors = world.processes.filter((process) => process?.isServing);
    const isRace = doors.length > 1 && world.faults.strikes("declared by two at once", 5);
    const chosen = isRace ? doors : doors.slice(0, 1);
    const answers = await Promise.all(
      chosen.map((door, i) =>
        door!.fetch("/event-types", JSON.stringify((i === 0 ? type : world.drawType(name)).body)),
      ),
    );
    const statuses = answers.map((answer) => answer?.status);
    if (statuses.filter((status) => status === 201).length > 1) throw new Error(`${name} was declared twice`);
    if (statuses.some((status) => status === 201 || status === 409)) break;
    await world.scheduler.wait(OUTSIDE, 500);
  }
}

/** Publishes `requests` times. */
export async function produce(world: World, requests: number): Promise<void> {
  const { random, scheduler } = world;
  for (let i = 0; i < requests; i++) {
    await scheduler.wait(OUTSIDE, below(random, pick(random, [50, 600, 2_000])));
    const type = pick(random, world.types);
    const drafts: Draft[] = [];
    for (let count = 1 + below(random, 5); count > 0; count--)
      drafts.push(...world.events.draw(type.name, world.wallMs(0)));
    const poison = drafts.filter(({ id }) => id === null);
    if (poison.length > 0) await appendPoison(world, type, poison);
    await sendAll(
      world,
      drafts.filter(({ id }) => id !== null),
    );
  }
}

/** What a producer beside the door may do. */
async function appendPoison(world: World, type: SimType, drafts: readonly Draft[]): Promise<void> {
  const stream = await world.log?.stream(type.name);
  if (!stream) return;
  const records = drafts.map(({ payload }) => ({ payload, key: null, header: HEADER }));
  const partition = below(world.random, stream.partitions);
  world.isDirty = true;
  if (world.memoryLog) {
    for (const draft of drafts) draft.acknowledged++;
    await world.memoryLog.append(type.name, partition, packRecords(records));
    return;
  }
  for (const draft of drafts) draft.unknown++;
  const door = world.processes.find((process) => process?.isServing);
  try {
    const appended = await door?.append(type.name, partition, packRecords(records));
    if (appended)
      for (const draft of drafts) {
        draft.acknowledged++;
        draft.unknown--;
      }
  } catch (error) {
    if (!(error instanceof MuaraError)) throw error;
  }
}

/** Sends, and what may not have arrived once or twice more. */
async function sendAll(world: World, drafts: readonly Draft[]): Promise<void> {
  let left = drafts;
  for (let tries = 0; left.length > 0 && tries < 4; tries++) {
    const { again, isUnknown } = await send(world, left);
    left = again;
    if (left.length === 0 || world.random.fraction() < 0.15) return;
    if (isUnknown) world.faults.note("sent again after unknown");
    await world.scheduler.wait(OUTSIDE, below(world.random, 1_000));
  }
}

interface Sent {
  readonly again: readonly Draft[];
  readonly isUnknown: boolean;
}

async function send(world: World, drafts: readonly Draft[]): Promise<Sent> {
  const door = await openDoor(world);
  const unknown = (): Sent => {
    for (const draft of drafts) draft.unknown++;
    return { again: drafts, isUnknown: true };
  };
  const body = `[${drafts.map(({ text }) => text).join(",")}]`;
  const answer = await door.fetch(`/event-types/${drafts[0]!.type}/events`, body);
  if (answer === undefined) return unknown();
  if (answer.status === 200) {
    if (drafts.some(({ isRejected }) => isRejected)) throw new Error("what must be rejected was accepted");
    if (world.faults.strikes("answer to the producer lost")) return unknown();
    for (const draft of drafts) draft.acknowledged++;
    return { again: [], isUnknown: false };
  }
  if (answer.status === 207) return settle(drafts, await itemsOf(answer));
  if (answer.status === 422) {
    const again = drafts.filter(({ isRejected }) => !isRejected);
    if (again.length === drafts.length) throw new Error(`422 for good events: ${await answer.text()}`);
    return { again, isUnknown: false };
  }
  if (answer.status === 500) throw new Error(`the door answered 500: ${await answer.text()}`);
  return { again: drafts, isUnknown: false };
}

interface Item {
  readonly publishing_status: string;
  readonly code?: string;
}

async function itemsOf(answer: Response): Promise<readonly Item[]> {
  return (await answer.json()) as readonly Item[];
}

function settle(drafts: readonly Draft[], items: readonly Item[]): Sent {
  if (items.length !== drafts.length) throw new Error("an answer per event");
  const again: Draft[] = [];
  let isUnknown = false;
  items.forEach(({ publishing_status: status, code }, i) => {
    const draft = drafts[i]!;
    if (status === "submitted") {
      draft.acknowledged++;
      return;
    }
    again.push(draft);
    if (code === "log.append_unknown") {
      draft.unknown++;
      isUnknown = true;
    }
  });
  return { again, isUnknown };
}

async function openDoor(world: World): Promise<SimProcess> {
  for (;;) {
    const doors = world.processes.filter((process) => process?.isServing);
    if (doors.length > 0) return pick(world.random, doors)!;
    await world.scheduler.wait(OUTSIDE, 200);
  }
}
