/**
 * Publishing dead letters again, corrected or as they are. Each goes through the door like any event, with a note of
 * which dead letter it is in its record's header; what became of it is the table `replays`.
 *
 * A dead letter is replayed once: what dies again is a dead letter of its own. So what counts as replayed is
 * whatever carries its note, wherever that is by now: in the table, in a commit that the table has not followed
 * yet, or in the log. And what landing would refuse again is not published at all: it would only be another dead
 * letter of the same reason.
 */
import { isAuthorized, type Principal } from "../core/authorize.ts";
import { MuaraError, type ErrorCode } from "../core/errors.ts";
import type { EventType } from "../core/event-type.ts";
import { isCaptured } from "../core/event-type-annotations.ts";
import { editJson, type JsonEdit } from "../core/json-text.ts";
import type { ReplayNote } from "../core/replay.ts";
import { findLanded } from "./landed-ids.ts";
import { cursorOf, lettersOf, type Letter, type LetterFilter } from "./letters.ts";
import type { ApiPorts } from "./context.ts";
import type { Refusal, ReplayPort } from "./replay-port.ts";
import { underwayOf } from "./replays-underway.ts";

/** Payload bytes worked on at a time. */
const CHUNK_BYTES = 8_388_608;
/** Appends on their way at a time: the log makes them durable together. */
const CONCURRENCY = 64;

export interface Correction {
  readonly edits: readonly JsonEdit[];
  /** Instead of edits: the whole event. */
  readonly event: Uint8Array | undefined;
}

export interface ReplayDemand {
  readonly principal: Principal;
  readonly flowId: string;
  readonly which: { readonly ids: readonly string[] } | { readonly filter: LetterFilter };
  readonly correction: Correction;
  readonly isDryRun: boolean;
  readonly limit: number;
  readonly signal: AbortSignal;
}

export interface Replayed {
  readonly dead_letter_id: string;
  readonly event_type: string | null;
  readonly event_id: string | null;
  readonly outcome: "accepted" | "would_land" | "would_be_duplicate" | "refused";
  readonly code: ErrorCode | null;
  readonly pointer: string | null;
  readonly detail: string | null;
}

export interface ReplayAnswer {
  /** By event type, oldest dead letter first. */
  readonly items: readonly Replayed[];
  /** Where the filter goes on behind the limit; null at its end. */
  readonly nextCursor: string | null;
}

export type Replayer = (demand: ReplayDemand) => Promise<ReplayAnswer>;

export function createReplayer(ports: ApiPorts, replay: ReplayPort): Replayer {
  /** Dead letters that a call is working on just now. */
  const claimed = new Set<string>();

  const replayGroup = async (
    demand: ReplayDemand,
    name: string,
    group: readonly Letter[],
  ): Promise<Replayed[]> => {
    const type = (await ports.catalog.find(name))?.eventType;
    if (!type) return group.map((letter) => refused(letter, NO_TYPE));
    const mine = group.filter(({ id }) => !claimed.has(id));
    const items = group.filter(({ id }) => claimed.has(id)).map((letter) => refused(letter, UNDERWAY));
    if (mine.length === 0) return items;
    for (const { id } of mine) claimed.add(id);
    try {
      // First what is under way, then the table, and both after the claim: another call's replay is in one of them.
      const underway = await underwayOf(ports, type.name);
      for (const chunk of chunksOf(mine)) {
        const ids = chunk.map(({ id }) => id);
        const { letters } = await lettersOf(ports, { ...demand, withPayload: true }, { ids });
        items.push(...(await replayChunk(ports, replay, demand, type, underway, letters)));
      }
    } finally {
      for (const { id } of mine) claimed.delete(id);
    }
    return items;
  };

  return async (demand) => {
    const { which } = demand;
    const { letters, hasMore } = await lettersOf(ports, demand, which);
    const items: Replayed[] = [];
    if ("ids" in which)
      for (const id of new Set(which.ids))
        if (!letters.some((one) => one.id === id)) items.push(unknownLetter(id));
    for (const [name, group] of Map.groupBy(letters, ({ eventType }) => eventType))
      items.push(...(await replayGroup(demand, name, group)));
    const last = hasMore ? letters.at(-1) : undefined;
    return { items, nextCursor: last ? cursorOf(last.ingestTime, last.id) : null };
  };
}

const UNDERWAY: Refusal = {
  code: "dead_letter.replayed",
  pointer: null,
  detail: "it was replayed and is on its way",
};
const NO_TYPE: Refusal = {
  code: "event_type.not_found",
  pointer: null,
  detail: "its event type is not declared any more",
};

async function replayChunk(
  ports: ApiPorts,
  replay: ReplayPort,
  demand: ReplayDemand,
  type: EventType,
  underway: ReadonlySet<string>,
  letters: readonly Letter[],
): Promise<Replayed[]> {
  const { principal, correction } = demand;
  const outcomes = new Map<string, Replayed>();
  const resource = { kind: "event_type", name: type.name, lists: type.authorization } as const;
  const mayWrite = isAuthorized(principal, "write", resource);
  const open: Letter[] = [];
  for (const letter of letters) {
    const refusal = mayWrite
      ? (refusalOf(letter, underway) ?? (isCaptured(type) ? CAPTURED : undefined))
      : { ...FORBIDDEN, detail: `you may not publish to ${type.name}` };
    if (refusal) outcomes.set(letter.id, refused(letter, refusal));
    else open.push(letter);
  }
  const events: Corrected[] = [];
  for (const letter of open) {
    const corrected = correct(letter, letter.payload ?? new Uint8Array(0), correction);
    if ("payload" in corrected) events.push(corrected);
    else outcomes.set(letter.id, corrected);
  }
  for (const outcome of await publishAll(ports, replay, demand, type, events))
    outcomes.set(outcome.dead_letter_id, outcome);
  return letters.map(({ id }) => outcomes.get(id)!);
}

interface Corrected {
  readonly letter: Letter;
  readonly payload: Uint8Array;
  readonly note: ReplayNote;
}

/** Landing's judgement first, then the door's; a dry run asks both and writes nothing. */
async function publishAll(
  ports: ApiPorts,
  replay: ReplayPort,
  demand: ReplayDemand,
  type: EventType,
  events: readonly Corrected[],
): Promise<Replayed[]> {
  if (events.length === 0) return [];
  const { principal, flowId, isDryRun, signal } = demand;
  const rehearsed = await replay.rehearse(
    type,
    events.map(({ payload }) => payload),
  );
  const landed = isDryRun
    ? await findLanded(ports, type.name, rehearsed, replay.horizonMs, signal)
    : new Set<number>();
  const judgeOrPublish = async (i: number): Promise<Replayed> => {
    const { letter, payload, note } = events[i]!;
    const { fate, eventId, reason } = rehearsed[i]!;
    const again = {
      eventType: type.name,
      payload,
      note: { ...note, replayedBy: principal.id },
      principal,
      flowId,
    };
    try {
      // The door's reasons are the ones that a producer knows, so they go first.
      const refusal =
        (await replay.publish({ ...again, isDryRun: true })) ??
        (fate === "dead_letter" ? reason : undefined) ??
        (isDryRun ? undefined : await replay.publish({ ...again, isDryRun: false }));
      if (refusal) return refused(letter, refusal);
    } catch (error) {
      if (!(error instanceof MuaraError)) throw error;
      return refused(letter, { code: error.code, pointer: null, detail: error.message });
    }
    const isDuplicate = fate === "duplicate" || landed.has(i);
    const outcome = isDuplicate ? "would_be_duplicate" : "would_land";
    return { ...shown(letter, eventId), outcome: isDryRun ? outcome : "accepted" };
  };
  const outcomes: Replayed[] = [];
  let at = 0;
  const lane = async (): Promise<void> => {
    for (let i = at++; i < events.length; i = at++) outcomes[i] = await judgeOrPublish(i);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, events.length) }, lane));
  return outcomes;
}

/**
 * It has a place among the changes of its row. Told now, it would come behind those that followed it, and bring back
 * what a later one has deleted: nothing remembers a row that is gone. The source has the truth, and can be asked.
 */
const CAPTURED: Refusal = {
  code: "dead_letter.captured",
  pointer: null,
  detail:
    "it is a change of a captured table, and others of the row may have followed: write the row again at the " +
    "source, or copy the table anew (muara capture recopy NAME --table SCHEMA.TABLE)",
};
const FORBIDDEN = { code: "auth.forbidden", pointer: null } as const;

/** Whether it was replayed already. */
function refusalOf(letter: Letter, underway: ReadonlySet<string>): Refusal | undefined {
  const replayed = { code: "dead_letter.replayed", pointer: null } as const;
  if (letter.state === "landed") return { ...replayed, detail: "it was replayed and has landed" };
  if (letter.state === "duplicate")
    return { ...replayed, detail: "it was replayed; an event of its id had landed before" };
  if (letter.state === "dead_again")
    return { ...replayed, detail: `it was replayed and died again, as dead letter ${letter.successor}` };
  return underway.has(letter.id) ? UNDERWAY : undefined;
}

function correct(letter: Letter, stored: Uint8Array, { edits, event }: Correction): Corrected | Replayed {
  const note = { replayOf: letter.id, replayedBy: "", isCorrected: event !== undefined || edits.length > 0 };
  if (event) return { letter, payload: event, note };
  if (edits.length === 0) return { letter, payload: stored, note };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(stored);
    return { letter, payload: new TextEncoder().encode(editJson(text, edits)), note };
  } catch (error) {
    if (error instanceof TypeError)
      return refused(letter, {
        code: "dead_letter.correction",
        pointer: null,
        detail: "the event is not UTF-8; give the whole event instead",
      });
    if (!(error instanceof MuaraError)) throw error;
    const { pointer } = error.details;
    return refused(letter, {
      code: error.code,
      pointer: typeof pointer === "string" ? pointer : null,
      detail: error.message,
    });
  }
}

function shown(letter: Letter, eventId: string | null): Omit<Replayed, "outcome"> {
  return {
    dead_letter_id: letter.id,
    event_type: letter.eventType,
    event_id: eventId ?? letter.eventId,
    code: null,
    pointer: null,
    detail: null,
  };
}

function refused(letter: Letter, { code, pointer, detail }: Refusal): Replayed {
  return { ...shown(letter, null), outcome: "refused", code, pointer, detail };
}

function unknownLetter(id: string): Replayed {
  return {
    dead_letter_id: id,
    event_type: null,
    event_id: null,
    outcome: "refused",
    code: "dead_letter.not_found",
    pointer: null,
    detail: "there is no such dead letter",
  };
}

function* chunksOf(letters: readonly Letter[]): Generator<Letter[]> {
  let chunk: Letter[] = [];
  let bytes = 0;
  for (const letter of letters) {
    if (chunk.length > 0 && bytes + letter.bytes > CHUNK_BYTES) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(letter);
    bytes += letter.bytes;
  }
  if (chunk.length > 0) yield chunk;
}
