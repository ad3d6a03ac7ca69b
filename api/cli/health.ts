/** `muara health`: whether a Muara is ready, now, until it is, or again and again. */
import { duration, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

const FIELDS: readonly Field[] = [{ name: "part" }, { name: "state" }];
const POLL_MS = 500;
const WATCH_MS = 2_000;

interface Health {
  readonly status: string;
  readonly checks: Readonly<Record<string, string>>;
}

export const addHealth: AddCommand = (program, run) => {
  program
    .command("health")
    .description("whether a Muara is ready: exit code 0, 6 where a part is not, 7 where nothing answers")
    .option("--wait <duration>", "until it is ready, but no longer than e.g. 60s")
    .option("--watch", "again every two seconds, a line whenever it changes, until Ctrl-C")
    .action(
      run(async (session, command) => {
        const { wait, watch } = command.opts<{ wait?: string; watch?: boolean }>();
        if (wait !== undefined && watch === true)
          throw new CliFailure(EXIT.usage, "give --wait or --watch, not both.");
        if (watch === true) return await watchHealth(session);
        return wait === undefined
          ? show(session, await look(session))
          : await waitFor(session, duration("--wait", wait));
      }),
    );
};

/** @throws CliFailure (unreachable) */
async function look({ client }: Session): Promise<Health> {
  const response = await client.fetch("GET", "/health/ready", undefined, {}, [503]);
  return (await client.json(response)) as Health;
}

function show({ io, flags }: Session, { status, checks }: Health): number {
  const parts = Object.entries(checks).map(([part, state]) => ({ part, state }));
  printObjects(io.stdout, flags.output, FIELDS, parts);
  return status === "ready" ? EXIT.done : EXIT.checkFailed;
}

async function waitFor(session: Session, ms: number): Promise<number> {
  const { io, say } = session;
  const deadlineMs = io.clock.nowMs() + ms;
  let told = "";
  for (;;) {
    let found: Health | undefined;
    try {
      found = await look(session);
      if (found.status === "ready") return show(session, found);
    } catch (error) {
      if (!(error instanceof CliFailure) || error.exitCode !== EXIT.unreachable) throw error;
    }
    const state = found ? textOf(found) : `nothing answers at ${session.client.url.origin}`;
    if (io.clock.nowMs() >= deadlineMs)
      throw new CliFailure(
        EXIT.unreachable,
        `not ready after ${ms / 1_000} s: ${state}.`,
        "muara doctor says more",
      );
    if (state !== told) say(`waiting: ${state}`);
    told = state;
    await io.clock.sleep(Math.min(POLL_MS, Math.max(1, deadlineMs - io.clock.nowMs())), io.signal);
    if (io.signal.aborted) return EXIT.interrupted;
  }
}

async function watchHealth(session: Session): Promise<number> {
  const { io, flags } = session;
  let told = "";
  while (!io.signal.aborted) {
    let state: { readonly status: string; readonly checks: Health["checks"] };
    try {
      state = await look(session);
    } catch (error) {
      if (io.signal.aborted) break;
      if (!(error instanceof CliFailure)) throw error;
      state = { status: "unreachable", checks: {} };
    }
    const text = textOf(state);
    if (text !== told) {
      const time = new Date(io.clock.nowMs()).toISOString();
      const isText = flags.output === "table";
      io.stdout.write(isText ? `${time}  ${text}\n` : `${JSON.stringify({ time, ...state })}\n`);
    }
    told = text;
    await io.clock.sleep(WATCH_MS, io.signal);
  }
  return EXIT.interrupted;
}

function textOf({ status, checks }: Health): string {
  const parts = Object.entries(checks).map(([part, state]) => `${part} ${state}`);
  return parts.length > 0 ? `${status} (${parts.join(", ")})` : status;
}
