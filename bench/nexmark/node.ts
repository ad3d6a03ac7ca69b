/** Nexmark through a whole node: its event types, its lines through the door, and when a job has given all. */
import { eventually, type MuaraProcess } from "../../test/services/muara.ts";
import { NEXMARK_SCHEMAS, type NexmarkKind, nexmarkType } from "./events.ts";

const DEADLINE_MS = 600_000;
/** Of the event that ends all windows, behind the newest. */
const BEHIND_MS = 3_600_000;
const LAST: Readonly<Record<NexmarkKind, object>> = {
  person: { id: 0, name: "", email: "", card: "", city: "", state: "" },
  auction: {
    id: 0,
    item: "",
    description: "",
    initial_bid: 0,
    reserve: 0,
    expires: "2026-01-01T00:00:00Z",
    seller: 0,
    category: 0,
  },
  bid: { auction: 0, bidder: 0, price: 0, channel: "", url: "" },
};

/** Of types with one partition each, so that each has one order. */
export async function declareNexmark(muara: MuaraProcess, kinds: readonly NexmarkKind[]): Promise<void> {
  for (const kind of kinds) {
    const answer = await muara.fetch("/event-types", {
      method: "POST",
      body: JSON.stringify({
        name: nexmarkType(kind),
        owning_application: "nexmark",
        category: "business",
        schema: { type: "json_schema", schema: JSON.stringify(NEXMARK_SCHEMAS[kind]) },
      }),
    });
    if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  }
}

/** Bodies of requests, each with so many lines at most. */
export function bodiesOf(lines: readonly string[], each: number): readonly string[] {
  const bodies: string[] = [];
  for (let from = 0; from < lines.length; from += each)
    bodies.push(`[${lines.slice(from, from + each).join(",")}]`);
  return bodies;
}

export async function publishNexmark(
  muara: MuaraProcess,
  kind: NexmarkKind,
  bodies: readonly string[],
): Promise<void> {
  for (const body of bodies) {
    const answer = await muara.fetch(`/event-types/${nexmarkType(kind)}/events`, { method: "POST", body });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${(await answer.text()).slice(0, 1_000)}`);
    await answer.arrayBuffer();
  }
}

/** One event of each kind, so far ahead that all windows before end. */
export async function endNexmark(
  muara: MuaraProcess,
  kinds: readonly NexmarkKind[],
  newestMs: number,
): Promise<void> {
  const occurred_at = new Date(newestMs + BEHIND_MS).toISOString();
  for (const kind of kinds) {
    const metadata = { eid: crypto.randomUUID(), occurred_at };
    await publishNexmark(muara, kind, [JSON.stringify([{ metadata, ...LAST[kind], padding: "" }])]);
  }
}

/** When there are tables for it. */
export async function deployNexmark(muara: MuaraProcess, text: string): Promise<void> {
  let said = "";
  await eventually("the job is declared", DEADLINE_MS, async () => {
    const answer = await muara.fetch("/v1/jobs", { method: "POST", body: JSON.stringify({ text }) });
    said = await answer.text();
    if (answer.status !== 201 && answer.status !== 422) throw new Error(said);
    return answer.status === 201;
  });
}

/** Waits until everything up to that time is released and committed. @param job its name */
export async function waitForJob(muara: MuaraProcess, job: string, newestMs: number): Promise<void> {
  await eventually(`${job} has released everything`, DEADLINE_MS, async () => {
    const answer = await muara.fetch(`/v1/jobs/${job}`);
    const { is_live, behind_versions, released_until, problem } = (await answer.json()) as {
      readonly is_live: boolean;
      readonly behind_versions: number | null;
      readonly released_until: string | null;
      readonly problem: string | null;
    };
    // It may be declared before the first commit of what it reads.
    const isEarly = problem?.startsWith("Nothing has landed") ?? true;
    if (!isEarly) throw new Error(`${job}: ${problem}`);
    const isOver = released_until !== null && Date.parse(released_until) > newestMs + BEHIND_MS / 2;
    return is_live && behind_versions === 0 && isOver;
  });
}
