/** Nakadi's `/event-types` and `/event-types/{name}`: declaring, listing, changing, growing and deleting. */
import type { EventType } from "../../core/event-type.ts";
import { answerHeaders, jsonResponse } from "../../core/http.ts";
import type { Logger } from "../../core/logger.ts";
import { isOn } from "../../core/settings.ts";
import type { Call, RoutePart } from "./call.ts";
import { describeJudge } from "./contract.ts";
import type { DeclarePorts } from "./declaration.ts";
import {
  changeEventType,
  createEventType,
  deleteEventType,
  growEventType,
  listEventTypes,
  readEventType,
} from "./event-types.ts";
import { countIn } from "./repartition.ts";

export interface EventTypePorts extends DeclarePorts {
  readonly logger: Logger;
}

export function eventTypeRoutes(ports: EventTypePorts): RoutePart {
  const routes = new EventTypeRoutes(ports);
  return ({ on, refuseOthers }) => {
    on("GET", "/event-types", (call) => routes.list(call));
    on("POST", "/event-types", (call) => routes.declare(call));
    refuseOthers("/event-types", "GET, HEAD, POST");
    on("GET", "/event-types/:name", (call) => routes.read(call));
    on("PUT", "/event-types/:name", (call) => routes.redeclare(call));
    on("DELETE", "/event-types/:name", (call) => routes.remove(call));
    refuseOthers("/event-types/:name", "GET, HEAD, PUT, DELETE");
    on("PUT", "/event-types/:name/partition-count", (call) => routes.grow(call));
    refuseOthers("/event-types/:name/partition-count", "PUT");
  };
}

class EventTypeRoutes {
  readonly #ports: EventTypePorts;

  constructor(ports: EventTypePorts) {
    this.#ports = ports;
  }

  async list({ query, flowId, principal }: Call): Promise<Response> {
    const [owner, writer] = [query("owning_application"), query("writer")];
    const types = await listEventTypes(this.#ports.registry, principal);
    const shown = types.filter(
      (type) =>
        (owner === null || type.owning_application === owner) && (writer === null || isWriter(type, writer)),
    );
    return jsonResponse(shown, 200, flowId);
  }

  async declare({ json, flowId, principal }: Call): Promise<Response> {
    const type = await createEventType(this.#ports, principal, await json());
    this.#note(
      "event type declared",
      { flowId, principal, name: type.name },
      { schema: describeJudge(type) },
    );
    return this.#answer(type, 201, flowId);
  }

  /** Answers with the type; with `?dry_run=true` with what would change, and whether it may. */
  async redeclare(call: Call): Promise<Response> {
    const { request, query, json, flowId, principal, name } = call;
    const isDryRun = query("dry_run") === "true";
    const ifMatch = request.headers.get("if-match");
    const changed = await changeEventType(this.#ports, principal, name, await json(), ifMatch, isDryRun);
    if (isDryRun) return jsonResponse(changed, 200, flowId);
    if (changed.verdict === "compatible") {
      const { from, to, type } = changed;
      this.#note("event type declared anew", call, { from, to, schema: describeJudge(type) });
    }
    return tagged(this.#answer(changed.type, 200, flowId), changed.revision);
  }

  async read({ flowId, principal, name }: Call): Promise<Response> {
    const { type, revision } = await readEventType(this.#ports.registry, principal, name);
    return tagged(jsonResponse(type, 200, flowId), revision);
  }

  async remove(call: Call): Promise<Response> {
    await deleteEventType(this.#ports, call.principal, call.name);
    this.#note("event type deleted; its table stays", call, {});
    return new Response(null, { status: 200, headers: answerHeaders(call.flowId) });
  }

  async grow(call: Call): Promise<Response> {
    const count = countIn(await call.json());
    const { isChanged } = await growEventType(this.#ports, call.principal, call.name, count);
    if (isChanged) this.#note("event type has more partitions", call, { partitions: count });
    return new Response(null, { status: 204, headers: answerHeaders(call.flowId) });
  }

  #answer(type: EventType, status: number, flowId: string): Response {
    if (isOn(this.#ports.registry, "return_body_on_create_update_event_type"))
      return jsonResponse(type, status, flowId);
    return new Response(null, { status, headers: answerHeaders(flowId) });
  }

  #note(
    what: string,
    { flowId, principal, name }: Pick<Call, "flowId" | "principal" | "name">,
    more: Readonly<Record<string, unknown>>,
  ): void {
    this.#ports.logger.info(what, { event_type: name, by: principal.id, flow_id: flowId, ...more });
  }
}

/** As Nakadi's filter has it: `data_type:value`. */
function isWriter({ authorization }: EventType, writer: string): boolean {
  const at = writer.indexOf(":");
  const [type, value] = [writer.slice(0, Math.max(0, at)), writer.slice(at + 1)];
  return authorization?.writers.some((one) => one.data_type === type && one.value === value) ?? false;
}

function tagged(response: Response, revision: number): Response {
  response.headers.set("etag", `"${revision}"`);
  return response;
}
