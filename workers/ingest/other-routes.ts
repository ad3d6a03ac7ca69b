/**
 * The rest of Nakadi's addresses: what can be chosen when declaring, and what Muara does another way and says so, with
 * 501 rather than with an address that is not there.
 */
import { MuaraError } from "../../core/errors.ts";
import { answerHeaders, jsonResponse } from "../../core/http.ts";
import type { RoutePart } from "./call.ts";

/** Of Nakadi's API, which clients look at to see what they talk to. */
const API_VERSION = "0.10.1";

/** Address → what to use instead. */
const NOT_SUPPORTED: Readonly<Record<string, string>> = {
  "/storages": "There is one log, set by the configuration of the service.",
  "/storages/:id": "There is one log, set by the configuration of the service.",
  "/storages/default/:id": "There is one log, set by the configuration of the service.",
  "/event-types/:name/timelines": "An event type stays in one log for life.",
  "/avro-schemas/:name/versions": "Events are JSON.",
  "/avro-schemas/:name/versions/:version": "Events are JSON.",
};

export const otherRoutes: RoutePart = ({ on, refuseOthers }) => {
  const get = (path: string, answer: unknown): void => {
    on("GET", path, async ({ flowId }) => jsonResponse(answer, 200, flowId));
    refuseOthers(path, "GET, HEAD");
  };
  get("/registry/enrichment-strategies", ["metadata_enrichment"]);
  get("/registry/partition-strategies", ["hash", "random", "user_defined"]);
  on("GET", "/version", async ({ flowId }) => {
    const answer = { "scm-source": null, version: API_VERSION, server: "muara" };
    return Response.json(answer, { headers: answerHeaders(flowId, "application/json") });
  });
  refuseOthers("/version", "GET, HEAD");
  for (const [path, instead] of Object.entries(NOT_SUPPORTED))
    on("ALL", path, () => Promise.reject(new MuaraError("request.not_supported", instead)));
};
