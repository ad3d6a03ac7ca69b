/** Answers to a publish request: Nakadi's `BatchItemResponse` per event, plus the error's code and place. */
import type { ErrorCode, MuaraError } from "../../core/errors.ts";
import { jsonResponse } from "../../core/http.ts";
import { FLAG_UUID } from "../../core/kernel-abi.ts";
import type { Scan } from "../../core/kernel-scan.ts";
import type { Measures } from "../../core/measures.ts";
import { parseJson } from "../../core/parse-json.ts";
import { payloadOf } from "../../core/record.ts";
import type { PartitionBatch } from "./batches.ts";
import type { Contract } from "./contract.ts";
import type { Failures, Step } from "./failures.ts";
import { isObject } from "./json-schema.ts";

export interface BatchItemResponse {
  readonly eid?: string;
  readonly publishing_status: "submitted" | "failed" | "aborted";
  readonly step: Step;
  readonly detail: string;
  /** Beyond Nakadi, of failed events. */
  readonly code?: ErrorCode;
  /** Beyond Nakadi: JSON pointer (as a URI fragment) of the field. */
  readonly pointer?: string;
}

interface RejectedRequest {
  readonly contract: Contract;
  readonly flowId: string;
  readonly measures?: Measures | undefined;
}

/** Every bad event as `failed` with its reason, all others as `aborted`: nothing of the request was written. */
function rejectedItems(contract: Contract, scan: Scan, failures: Failures): BatchItemResponse[] {
  const items: BatchItemResponse[] = [];
  for (let item = 0; item < scan.count; item++) {
    const failure = failures.get(item);
    const eid = eidOf(contract, scan, item);
    if (!failure) {
      items.push({ ...eid, publishing_status: "aborted", step: "none", detail: "" });
      continue;
    }
    const { step, code, pointer, reason } = failure;
    const detail = `event ${item}: ${code}: ${pointer}: ${reason}`;
    items.push({ ...eid, publishing_status: "failed", step, detail, code, pointer });
  }
  return items;
}

export function rejectedResponse(
  { contract, flowId, measures }: RejectedRequest,
  scan: Scan,
  failures: Failures,
): Response {
  for (const code of failures.codes()) measures?.count("muara_ingest_refused_events", { code });
  return jsonResponse(rejectedItems(contract, scan, failures), 422, flowId);
}

/** What became of each event where the log took only some batches. @param errors [batch] undefined: stored */
export function partialItems(
  contract: Contract,
  batches: readonly PartitionBatch[],
  errors: readonly (MuaraError | undefined)[],
): BatchItemResponse[] {
  const items: BatchItemResponse[] = [];
  batches.forEach(({ batch, items: places }, b) => {
    const error = errors[b];
    places.forEach((item, record) => {
      const payload = contract.paths.idMustBeUuid ? payloadOf(batch, record) : null;
      const eid = payload ? eidOfPayload(payload) : {};
      items[item] = error
        ? {
            ...eid,
            publishing_status: "failed",
            step: "publishing",
            detail: `event ${item}: ${error.code}: ${error.message}`,
            code: error.code,
          }
        : { ...eid, publishing_status: "submitted", step: "publishing", detail: "" };
    });
  });
  return items;
}

/** The scan is gone by then, and this answer is rare. */
function eidOfPayload(payload: Uint8Array): { eid?: string } {
  const event: unknown = parseJson(new TextDecoder().decode(payload));
  const metadata = isObject(event) ? event["metadata"] : undefined;
  const eid = isObject(metadata) ? metadata["eid"] : undefined;
  return typeof eid === "string" ? { eid } : {};
}

/** Only a well-formed id is sent back. */
function eidOf(contract: Contract, scan: Scan, item: number): { eid?: string } {
  const { id } = contract.places;
  if (id < 0 || !contract.paths.idMustBeUuid || scan.field(id).flags[item] !== FLAG_UUID) return {};
  const eid = scan.text(id, item);
  return eid === null ? {} : { eid };
}
