/**
 * Tombstones (Nakadi's `POST /event-types/{name}/deleted-events`): of a compacted type, each event of the body says by
 * its `metadata.partition_compaction_key` which key goes. It is assigned to a partition as an event is, so that it
 * comes behind what it deletes; nothing else of it is kept, and its schema is not asked.
 *
 * Surprising rule: what goes, goes from the log. The table has what was published; rows go by `/v1/erasures`.
 */
import { MuaraError } from "../../core/errors.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Scan } from "../../core/kernel-scan.ts";
import type { Log } from "../../core/ports/log.ts";
import { packRecords } from "../../core/record.ts";
import { rejectedResponse } from "./answers.ts";
import { assignPartitions } from "./assign.ts";
import type { PartitionBatch } from "./batches.ts";
import type { Contract } from "./contract.ts";
import { Failures } from "./failures.ts";
import { Judge } from "./judge.ts";
import { appendAll, checkBody, type PublishRequest, scanEvents, settledResponse } from "./publish.ts";

/**
 * @throws event_type.not_compacted, request.malformed, batch.empty, batch.too_many; log.overloaded, log.full or
 *   log.closed where nothing was written
 */
export async function publishDeletions(log: Log, kernel: Kernel, request: PublishRequest): Promise<Response> {
  const { contract, flowId, principal } = request;
  const { name } = contract.type;
  if (contract.places.compactionKey < 0)
    throw new MuaraError(
      "event_type.not_compacted",
      `"${name}" is not compacted: nothing of it can be deleted.`,
      {
        details: { event_type: name },
      },
    );
  const scan = scanEvents(kernel, contract, request.body, request.maxEvents);
  checkBody(scan, request.maxEvents);
  request.meter?.events(scan.count);
  const failures = new Failures();
  new Judge(contract, scan, failures).runDeletions();
  const assigned = assignPartitions(contract, scan, failures, request.spare);
  if (failures.size > 0) return rejectedResponse(request, scan, failures);
  const header = JSON.stringify({ flow_id: flowId, published_by: principal.id });
  const batches = tombstones(contract, scan, assigned, header);
  return settledResponse(request, batches, await appendAll(log, name, batches));
}

/** Few, so that objects for each do no harm. */
function tombstones(
  { places }: Contract,
  scan: Scan,
  assigned: Uint32Array,
  header: string,
): readonly PartitionBatch[] {
  const items = Array.from({ length: scan.count }, (_, item) => item);
  return [...Map.groupBy(items, (item) => assigned[item]!)].map(([partition, group]) => ({
    partition,
    items: Uint32Array.from(group),
    batch: packRecords(
      group.map((item) => ({ key: scan.text(places.compactionKey, item)!, payload: null, header })),
    ),
  }));
}
