/** A request's body to where it is needed, piece by piece: Request.arrayBuffer copies it twice, to new memory. */
import type { HttpBindings } from "@hono/node-server";

/**
 * Fills `target` with the body, which has to be as long. Once it is over, nothing is written any more.
 * @returns undefined where others have to read it: they have begun, or its connection is gone
 */
export function copyBody(incoming: HttpBindings["incoming"], target: Uint8Array): Promise<void> | undefined {
  if (incoming.readableDidRead || incoming.destroyed) return undefined;
  return new Promise((resolve, reject) => {
    let length = 0;
    const take = (chunk: Uint8Array): void => {
      if (length + chunk.length <= target.length) target.set(chunk, length);
      length += chunk.length;
    };
    const end = (): void => {
      incoming.off("data", take).off("end", end).off("close", end).off("error", end);
      // A connection may end once its request is whole; what had come of it can be read.
      const rest: unknown = incoming.complete && length < target.length ? incoming.read() : null;
      if (rest instanceof Uint8Array) take(rest);
      if (length === target.length) resolve();
      else reject(incoming.errored ?? new Error(`a body of ${length} bytes, not ${target.length}`));
    };
    incoming.on("data", take).once("end", end).once("close", end).once("error", end);
  });
}
