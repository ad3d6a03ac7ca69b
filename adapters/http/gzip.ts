/**
 * Compresses a stream for a client that reads along: after each chunk everything that was written can be read. The
 * web's `CompressionStream` holds back until the end.
 */
import { once } from "node:events";
import { constants, createGzip } from "node:zlib";

export function gzipStream(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  const reader = body.getReader();
  let made: Uint8Array[] = [];
  gzip.on("data", (chunk: Uint8Array) => made.push(chunk));
  /** One chunk in, whatever comes of it out. @returns false at the end */
  const step = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    if (!done) {
      await new Promise<void>((resolve, reject) =>
        gzip.write(value, (error) => (error ? reject(error) : resolve())),
      );
      return true;
    }
    const ended = once(gzip, "end");
    gzip.end();
    await ended;
    return false;
  };
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          let isOn = true;
          while (isOn && made.length === 0) isOn = await step();
          for (const chunk of made) controller.enqueue(chunk);
          made = [];
          if (!isOn) controller.close();
        } catch (error) {
          gzip.destroy();
          controller.error(error);
        }
      },
      cancel: async (reason) => {
        gzip.destroy();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
