/**
 * `muara send TYPE [FILE|-]`: publishes events from NDJSON or a JSON array. The server takes a request with a bad
 * event in it not at all; the others of that request are then sent again without it.
 */
import { inputChunks, wholeNumber, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { JsonSplitter } from "./json-split.ts";
import { printObject, visible } from "./output.ts";
import { Progress } from "./progress.ts";

const BATCH_EVENTS_DEFAULT = "500";
const BATCH_BYTES_MAX = 4_194_304;
const FAILURES_SHOWN = 10;
/** Answers that say to come back: waited for, then sent again. */
const AGAIN = new Set([429, 503, 507]);
const ATTEMPTS = 8;
const WAIT_MS_MAX = 10_000;

interface Item {
  readonly publishing_status: "submitted" | "failed" | "aborted";
  readonly detail: string;
}

interface Tally {
  submitted: number;
  failed: number;
}

export const addSend: AddCommand = (program, run) => {
  program
    .command("send")
    .description("publish events to an event type, from NDJSON or a JSON array")
    .argument("[type]", "event type; not with --ce")
    .argument("[file]", "file, or - for stdin")
    .option("--batch <number>", "events in one request", BATCH_EVENTS_DEFAULT)
    .option("--ce", 'they are CloudEvents; each goes to the event type that its own "type" names')
    .action(
      run(async (session, command) => {
        const options = command.opts<{ batch: string; ce?: boolean }>();
        const { door, file } = doorOf(command.args, options.ce === true);
        const size = wholeNumber("--batch", options.batch, 1, 10_000);
        const tally: Tally = { submitted: 0, failed: 0 };
        const progress = new Progress(session, "sent");
        for await (const batch of batches(session, file, size)) {
          await publish(session, door, batch, tally);
          progress.show(`${tally.submitted + tally.failed} events`);
        }
        progress.end();
        if (tally.submitted + tally.failed === 0) session.say("there was no event in the input");
        printObject(session.io.stdout, session.flags.output, { ...tally });
        return tally.failed > 0 ? EXIT.failed : EXIT.done;
      }),
    );
};

async function* batches(
  session: Session,
  file: string | undefined,
  size: number,
): AsyncGenerator<Uint8Array[]> {
  const splitter = new JsonSplitter();
  let batch: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of inputChunks(session.io, file)) {
      for (const event of splitter.push(chunk)) {
        if (batch.length >= size || (batch.length > 0 && bytes + event.length > BATCH_BYTES_MAX)) {
          yield batch;
          batch = [];
          bytes = 0;
        }
        batch.push(event);
        bytes += event.length;
      }
    }
    splitter.end();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CliFailure(EXIT.usage, `${error.message}. Nothing from there on was sent.`);
  }
  if (batch.length > 0) yield batch;
}

/** Where events go. */
interface Door {
  readonly route: string;
  readonly contentType: string;
}

/** @throws CliFailure (usage) */
function doorOf(args: readonly string[], isCe: boolean): { readonly door: Door; readonly file?: string } {
  const [type, file] = isCe ? ["", ...args] : args;
  if (type === undefined)
    throw new CliFailure(EXIT.usage, "name an event type.", "Those there are: muara event-type list");
  if (isCe && args.length > 1)
    throw new CliFailure(EXIT.usage, "with --ce the events name their types themselves; give a file only.");
  const door = isCe
    ? { route: "/cloudevents", contentType: "application/cloudevents-batch+json" }
    : { route: `/event-types/${encodeURIComponent(type)}/events`, contentType: "application/json" };
  return { door, ...(file === undefined ? {} : { file }) };
}

async function publish(session: Session, door: Door, batch: Uint8Array[], tally: Tally): Promise<void> {
  const response = await post(session, door, batch);
  if (response.status === 200) {
    tally.submitted += batch.length;
    return;
  }
  const items = (await response.json()) as Item[];
  const aborted: Uint8Array[] = [];
  items.forEach((item, i) => {
    if (item.publishing_status === "submitted") tally.submitted++;
    else if (item.publishing_status === "aborted") aborted.push(batch[i]!);
    else {
      tally.failed++;
      if (tally.failed <= FAILURES_SHOWN) session.say(`failed: ${visible(item.detail)}`);
      else if (tally.failed === FAILURES_SHOWN + 1) session.say("failed: more events (not listed)");
    }
  });
  // Fewer than before, so this ends: at least one of the batch had failed.
  if (aborted.length > 0 && aborted.length < batch.length) await publish(session, door, aborted, tally);
  else tally.failed += aborted.length;
}

async function post(
  session: Session,
  { route, contentType }: Door,
  batch: readonly Uint8Array[],
): Promise<Response> {
  const parts = batch.flatMap((event, i) => [Buffer.from(i === 0 ? "[" : ","), event]);
  const body = Buffer.concat([...parts, Buffer.from("]")]);
  const headers = { "content-type": contentType };
  for (let attempt = 1; ; attempt++) {
    const again = attempt < ATTEMPTS ? [...AGAIN] : [];
    const response = await session.client.fetch("POST", route, body, headers, [207, 422, ...again]);
    const isList = (response.headers.get("content-type") ?? "").startsWith("application/json");
    if (response.status === 422 && !isList) {
      const { detail } = (await response.json()) as { detail?: string };
      throw new CliFailure(EXIT.failed, detail ?? "the event type refused the events.");
    }
    if (!AGAIN.has(response.status)) return response;
    await response.body?.cancel();
    const seconds = Number(response.headers.get("retry-after") ?? 1);
    await session.io.clock.sleep(Math.min(WAIT_MS_MAX, seconds * 1_000 * attempt), session.io.signal);
    if (session.io.signal.aborted) throw new CliFailure(EXIT.interrupted, "interrupted");
  }
}
