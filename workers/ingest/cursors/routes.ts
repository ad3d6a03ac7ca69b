/**
 * Partitions and the arithmetic of cursors (Nakadi's `/event-types/{name}/partitions`, `…/cursor-distances`,
 * `…/cursors-lag`, `…/shifted-cursors`). All of it counts offsets: where records were erased, that is more than can be
 * read.
 */
import { MuaraError } from "../../../core/errors.ts";
import type { EventType } from "../../../core/event-type.ts";
import { jsonResponse } from "../../../core/http.ts";
import { parseJson } from "../../../core/parse-json.ts";
import type { Call, RoutePart } from "../call.ts";
import type { DeclarePorts } from "../declaration.ts";
import { readEventType } from "../event-types.ts";
import { authorizeType } from "../rights.ts";
import { cursorsBody, distancesBody, parseCursors, shiftsBody } from "./cursor-body.ts";
import { offsetText } from "./offset-text.ts";
import { invalidCursor, Partitions, unconsumed, viewOf, type PartitionView } from "./partitions.ts";

export function cursorRoutes(ports: DeclarePorts): RoutePart {
  const tools = new CursorTools(ports);
  return ({ on, refuseOthers }) => {
    on("GET", pathOf("partitions"), (call) => tools.partitions(call));
    refuseOthers(pathOf("partitions"), "GET, HEAD");
    on("GET", pathOf("partitions/:partition"), (call) => tools.partition(call));
    refuseOthers(pathOf("partitions/:partition"), "GET, HEAD");
    on("POST", pathOf("cursor-distances"), (call) => tools.distances(call));
    refuseOthers(pathOf("cursor-distances"), "POST");
    on("POST", pathOf("cursors-lag"), (call) => tools.lag(call));
    refuseOthers(pathOf("cursors-lag"), "POST");
    on("POST", pathOf("shifted-cursors"), (call) => tools.shifted(call));
    refuseOthers(pathOf("shifted-cursors"), "POST");
  };
}

function pathOf(path: string): string {
  return `/event-types/:name/${path}`;
}

class CursorTools {
  readonly #ports: DeclarePorts;

  constructor(ports: DeclarePorts) {
    this.#ports = ports;
  }

  async partitions(call: Call): Promise<Response> {
    const partitions = await this.#visible(call);
    const asked = call.query("cursors");
    if (asked === null) return jsonResponse(await partitions.views(), 200, call.flowId);
    const cursors = parseCursors(cursorsBody, parsedQuery(asked));
    const views = cursors.map((cursor) => lagOf(partitions, cursor));
    return jsonResponse(await Promise.all(views), 200, call.flowId);
  }

  async partition(call: Call): Promise<Response> {
    const partitions = await this.#visible(call);
    const partition = partitions.numbered(call.param("partition"));
    if (partition === undefined)
      throw new MuaraError(
        "partition.not_found",
        `"${call.name}" has partitions 0 to ${partitions.count - 1}.`,
      );
    const offset = call.query("consumed_offset");
    const view =
      offset === null
        ? await partitions.view(partition)
        : await lagOf(partitions, { partition: String(partition), offset });
    return jsonResponse(view, 200, call.flowId);
  }

  async distances(call: Call): Promise<Response> {
    const partitions = await this.#readable(call);
    const pairs = parseCursors(distancesBody, await call.json());
    const measured = pairs.map(async (pair) => {
      const [from, to] = await Promise.all([
        partitions.place(pair.initial_cursor),
        partitions.place(pair.final_cursor),
      ]);
      if (from.partition !== to.partition)
        throw invalidCursor(
          call.name,
          pair.initial_cursor.partition,
          "both cursors must be of one partition",
        );
      return { ...pair, distance: to.offset - from.offset };
    });
    return jsonResponse(await Promise.all(measured), 200, call.flowId);
  }

  async lag(call: Call): Promise<Response> {
    const partitions = await this.#readable(call);
    const cursors = parseCursors(cursorsBody, await call.json());
    const views = cursors.map((cursor) => lagOf(partitions, cursor));
    return jsonResponse(await Promise.all(views), 200, call.flowId);
  }

  async shifted(call: Call): Promise<Response> {
    const partitions = await this.#readable(call);
    const cursors = parseCursors(shiftsBody, await call.json());
    const shifted = cursors.map(async ({ shift, ...cursor }) => {
      const { offset, bounds } = await partitions.place(cursor);
      const at = offset + shift;
      if (at < bounds.startOffset - 1 || at >= bounds.endOffset)
        throw invalidCursor(call.name, cursor.partition, "shifted it would lie outside of what can be read");
      return { partition: cursor.partition, offset: offsetText(at) };
    });
    return jsonResponse(await Promise.all(shifted), 200, call.flowId);
  }

  /** Whoever publishes may see partitions, too: it names them. @throws auth.forbidden, event_type.not_found */
  async #visible(call: Call): Promise<Partitions> {
    return Partitions.of(this.#ports.log, await this.#type(call));
  }

  async #readable(call: Call): Promise<Partitions> {
    await authorizeType(this.#ports.registry, call.principal, "read", call.name);
    return Partitions.of(this.#ports.log, await this.#type(call));
  }

  async #type({ principal, name }: Call): Promise<EventType> {
    return (await readEventType(this.#ports.registry, principal, name)).type;
  }
}

async function lagOf(
  partitions: Partitions,
  cursor: { readonly partition: string; readonly offset: string },
): Promise<PartitionView> {
  const place = await partitions.place(cursor);
  return { ...viewOf(place.partition, place.bounds), unconsumed_events: unconsumed(place) };
}

function parsedQuery(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new MuaraError("request.malformed", "cursors is not JSON.", { cause });
  }
}
