/** A dead letter on its way through the door once more: what is asked for, and why it may be refused. */
import type { Principal } from "../../core/authorize.ts";
import { type ErrorCode, hasCode, MuaraError } from "../../core/errors.ts";
import type { ReplayNote } from "../../core/replay.ts";
import type { BatchItemResponse } from "./answers.ts";

export interface ReplayRequest {
  readonly eventType: string;
  readonly payload: Uint8Array;
  readonly note: ReplayNote;
  readonly principal: Principal;
  readonly flowId: string;
  /** Judges only. */
  readonly isDryRun: boolean;
}

/** Why an event is not taken. */
export interface Refusal {
  readonly code: ErrorCode;
  /** RFC 6901, where one value is to blame. */
  readonly pointer: string | null;
  readonly detail: string;
}

const OPEN = 0x5b;
const CLOSE = 0x5d;

/** A body with this one event. */
export function bodyOf(payload: Uint8Array): Uint8Array {
  const body = new Uint8Array(payload.length + 2);
  body[0] = OPEN;
  body.set(payload, 1);
  body[payload.length + 1] = CLOSE;
  return body;
}

/** @throws log.append_unknown and the like where the event itself was fine */
export async function refusalOf(response: Response): Promise<Refusal | undefined> {
  if (response.status === 200) return undefined;
  const [item] = (await response.json()) as BatchItemResponse[];
  const { code = "internal", pointer = "", detail = "", step } = item ?? {};
  if (step === "publishing") throw new MuaraError(code, detail);
  const reason = detail.replace(`event 0: ${code}: ${pointer}: `, "");
  return { code, pointer: pointer === "" ? null : pointer.replace(/^#/, ""), detail: reason };
}

/** What is no event, or several, breaks the body around it. @throws the error where it is about something else */
export function refusalOfBody(error: unknown): Refusal {
  const isBody = (["request.malformed", "batch.empty", "batch.too_many"] as const).some((code) =>
    hasCode(error, code),
  );
  if (!isBody) throw error;
  return { code: "event.not_json", pointer: null, detail: "is not one JSON value" };
}
