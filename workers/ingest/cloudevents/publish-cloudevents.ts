/**
 * `POST /cloudevents`: every event goes to the event type that its `type` names. Mostly all events of a batch are of
 * one type, and then the body is published as it came. A batch of several types is judged as a whole before anything of
 * it is written, as any other request is.
 */
import { isEqual } from "../../../core/bytes.ts";
import { MuaraError } from "../../../core/errors.ts";
import { answerHeaders, jsonResponse } from "../../../core/http.ts";
import { VALUE_ESCAPED_STRING, VALUE_STRING } from "../../../core/kernel-abi.ts";
import type { ScanLimits, ScanPlan } from "../../../core/kernel-plan.ts";
import type { Scan } from "../../../core/kernel-scan.ts";
import type { Kernel } from "../../../core/kernel.ts";
import type { BatchItemResponse } from "../answers.ts";
import { checkBody } from "../publish.ts";
import { bodyOf, refusalOf, refusalOfBody } from "../replay.ts";
import { type Mode, structuredOf, typeOfHeaders } from "./message.ts";

/** No identities are asked for. */
const NO_SECRET = new Uint8Array(16);
const COMMA = 0x2c;

/**
 * Publishes a JSON array of events of one type; with `isDryRun` only judges.
 * @throws auth.forbidden, event_type.not_found, and what publishing throws
 */
export type PublishSome = (type: string, body: Uint8Array, isDryRun: boolean) => Promise<Response>;

export interface CloudEventRequest {
  readonly mode: Mode;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly flowId: string;
  readonly publish: PublishSome;
}

/** Events of one type out of a batch. */
interface Group {
  readonly type: string;
  /** Places in the request. */
  readonly items: readonly number[];
  readonly body: Uint8Array;
}

export class CloudEvents {
  readonly #kernel: Kernel;
  readonly #maxEvents: number;
  readonly #plan: ScanPlan;

  constructor(kernel: Kernel, limits: ScanLimits, maxEvents: number) {
    this.#kernel = kernel;
    this.#maxEvents = maxEvents;
    this.#plan = kernel.plan([{ keys: ["type"], kind: "text" }], limits);
  }

  /**
   * @returns 200 where all is stored; of a batch 422 or 207 with a fate per event
   * @throws of a single event what is wrong with it, of a batch what is wrong with the whole
   */
  async take(request: CloudEventRequest): Promise<Response> {
    if (request.mode === "batched") return this.#takeBatch(request);
    const { mode, headers, body, publish } = request;
    const named = mode === "binary" ? typeOfHeaders(headers) : undefined;
    const { event, hasJson } =
      mode === "binary" ? structuredOf(headers, body) : { event: body, hasJson: false };
    const publishOne = async (): Promise<Response> => {
      // What is no single value could become other members of the event.
      if (hasJson) this.#scan(bodyOf(body), 1);
      const events = bodyOf(event);
      return publish(named ?? this.#typeAt(this.#scan(events, 1), 0), events, false);
    };
    const response = await publishOne().catch(refusalOfBody);
    const refusal = response instanceof Response ? await refusalOf(response) : response;
    if (!refusal) return response as Response;
    const { code, pointer, detail } = refusal;
    throw new MuaraError(code, `${pointer === null ? "The event" : `#${pointer}`} ${detail}`, {
      details: { pointer },
    });
  }

  async #takeBatch({ body, flowId, publish }: CloudEventRequest): Promise<Response> {
    const scan = this.#scan(body, this.#maxEvents);
    const types = this.#typesOf(scan);
    if (types.size === 1) return publish([...types.keys()][0]!, body, false);
    const groups = [...types].map(([type, items]): Group => ({ type, items, body: arrayOf(scan, items) }));
    const { count } = scan;
    const verdicts: Response[] = [];
    for (const group of groups) verdicts.push(await publish(group.type, group.body, true));
    if (verdicts.some(({ status }) => status !== 200))
      return jsonResponse(await itemsOf(groups, verdicts, count, ABORTED), 422, flowId);
    const outcomes = await Promise.all(
      groups.map((group) =>
        publish(group.type, group.body, false).catch((error: unknown) => asItems(group, error)),
      ),
    );
    if (outcomes.every(({ status }) => status === 200))
      return new Response(null, { status: 200, headers: answerHeaders(flowId) });
    return jsonResponse(await itemsOf(groups, outcomes, count, SUBMITTED), 207, flowId);
  }

  #scan(body: Uint8Array, maxItems: number): Scan {
    const scan = this.#kernel.scanArray(this.#plan, body, NO_SECRET, { maxItems });
    checkBody(scan, maxItems);
    return scan;
  }

  /** By type the places of its events, in the order of their first ones. Text is made once per run of a type. */
  #typesOf(scan: Scan): Map<string, number[]> {
    const { starts, lengths } = scan.field(0);
    const { bytes } = scan;
    const groups = new Map<string, number[]>();
    let group: number[] = [];
    let last: Uint8Array | undefined;
    for (let item = 0; item < scan.count; item++) {
      const at = starts[item]!;
      const end = at + lengths[item]!;
      if (!last || !isEqual(bytes, at, end, last)) {
        const type = this.#typeAt(scan, item);
        group = groups.get(type) ?? [];
        groups.set(type, group);
        last = bytes.subarray(at, end);
      }
      group.push(item);
    }
    return groups;
  }

  /** @throws event.type_mismatch where the event names none, and why it cannot be read */
  #typeAt(scan: Scan, item: number): string {
    const verdict = scan.verdicts[item]!;
    const kind = scan.field(0).types[item];
    const isText = kind === VALUE_STRING || kind === VALUE_ESCAPED_STRING;
    const type = isText && verdict === 0 ? scan.text(0, item) : null;
    if (type) return type;
    const details = { item, pointer: verdict === 0 ? "/type" : null };
    if (verdict === 0)
      throw new MuaraError("event.type_mismatch", `event ${item}: #/type is missing or no text`, { details });
    const code = this.#kernel.verdictCode(verdict);
    const at = scan.errorAt[item]!;
    throw new MuaraError(code, `event ${item}: cannot be read (byte ${at} of the event)`, { details });
  }
}

const ABORTED: BatchItemResponse = { publishing_status: "aborted", step: "none", detail: "" };
const SUBMITTED: BatchItemResponse = { publishing_status: "submitted", step: "publishing", detail: "" };

/** The answers for each event, in the order of the request; of an answer without any: `other`. */
async function itemsOf(
  groups: readonly Group[],
  answers: readonly Response[],
  count: number,
  other: BatchItemResponse,
): Promise<BatchItemResponse[]> {
  const items: BatchItemResponse[] = Array.from({ length: count }, () => other);
  for (const [g, { items: places }] of groups.entries()) {
    if (answers[g]!.status === 200) continue;
    const given = (await answers[g]!.json()) as BatchItemResponse[];
    places.forEach((place, i) => (items[place] = renumbered(given[i]!, i, place)));
  }
  return items;
}

/** A detail says which event of the request is meant. */
function renumbered(item: BatchItemResponse, from: number, to: number): BatchItemResponse {
  return { ...item, detail: item.detail.replace(`event ${from}:`, `event ${to}:`) };
}

/** Of a group of which nothing was written. @throws what is no fault of the log */
function asItems({ items }: Group, error: unknown): Response {
  if (!(error instanceof MuaraError)) throw error;
  const { code, message } = error;
  const failed = items.map((_, i): BatchItemResponse => ({
    publishing_status: "failed",
    step: "publishing",
    detail: `event ${i}: ${code}: ${message}`,
    code,
  }));
  return jsonResponse(failed, 207, "");
}

function arrayOf(scan: Scan, items: readonly number[]): Uint8Array {
  const { starts, lengths, bytes } = scan;
  const body = new Uint8Array(items.reduce((sum, item) => sum + lengths[item]! + 1, 1));
  let at = 0;
  for (const item of items) {
    body[at] = at === 0 ? 0x5b : COMMA;
    body.set(bytes.subarray(starts[item], starts[item]! + lengths[item]!), at + 1);
    at += lengths[item]! + 1;
  }
  body[at] = 0x5d;
  return body;
}
