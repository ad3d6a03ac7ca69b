/** What a stream has, partition by partition. */
import type { Log } from "../../../core/ports/log.ts";
import { payloadOf } from "../../../core/record.ts";

export async function streamRows(log: Log, stream: string): Promise<readonly string[]> {
  const rows: string[] = [];
  const { partitions = 0 } = (await log.stream(stream)) ?? {};
  for (let partition = 0; partition < partitions; partition++) {
    const { startOffset, endOffset } = await log.bounds(stream, partition);
    for (let next = startOffset; next < endOffset;) {
      const batch = await log.read(stream, partition, next, 1_048_576);
      for (let i = 0; i < batch.count; i++) rows.push(new TextDecoder().decode(payloadOf(batch, i)!));
      next = batch.next;
    }
  }
  return rows;
}
