/** One authenticated request, and what a part of the door needs to answer at addresses of its own. */
import type { Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { parseJson } from "../../core/parse-json.ts";

export interface Call {
  readonly request: Request;
  readonly flowId: string;
  readonly principal: Principal;
  /** The event type in the path; empty where it has none. */
  readonly name: string;
  /** A named part of the path; empty where it has none such. */
  readonly param: (key: string) => string;
  /** Of the address; the first where it is there several times. */
  readonly query: (key: string) => string | null;
  /** The body, JSON in UTF-8. @throws request.media_type, request.malformed, request.too_large, log.overloaded */
  readonly json: () => Promise<unknown>;
}

export type Answer = (call: Call) => Promise<Response>;

export interface Routes {
  /** GET answers HEAD, too. */
  readonly on: (method: string, path: string, answer: Answer) => void;
  /** Refuses other methods than those `allowed`, as the header of that name lists them. */
  readonly refuseOthers: (path: string, allowed: string) => void;
}

/** Adds its addresses to the door's. */
export type RoutePart = (routes: Routes) => void;

/** @throws request.malformed */
export function parseBody(body: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
  } catch (cause) {
    throw new MuaraError("request.malformed", "The body is not JSON in UTF-8.", { cause });
  }
}
