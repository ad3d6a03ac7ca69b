/** `muara backup create|verify|restore`: a whole copy of log and lake, taken while everything runs. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import type { AddCommand, Session } from "./command.ts";
import { loadConfig } from "./config-file.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";
import type { CliServices } from "./services.ts";

const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
const FIELDS: readonly Field[] = ["created", "tables", "files", "bytes", "in_flight"].map((name) => ({
  name,
}));

export const addBackup: AddCommand = (program, run) => {
  const group = program
    .command("backup")
    .description("whole copies of log and lake, taken while everything runs");
  group
    .command("create <place>")
    .description("copy lake, and log where it is a folder, to an empty folder or to s3://BUCKET/FOLDER")
    .option("--config <file>", "configuration file")
    .action(
      run(async (session, command) => {
        const options = command.opts<{ config?: string }>();
        await create(session, command.args[0]!, options.config);
        return verify(session, command.args[0]!);
      }),
    );
  group
    .command("verify <place>")
    .description("hold a backup against its manifest, and its log against its tables")
    .action(run((session, command) => verify(session, command.args[0]!)));
  group
    .command("restore <place>")
    .description("make a data folder of a backup; the folder must not exist yet")
    .option("--lake <address>", "where the lake goes, if not into the data folder")
    .action(
      run(async (session, command) => {
        await restore(session, command.args[0]!, command.opts<{ lake?: string }>().lake);
      }),
    );
};

async function create(session: Session, place: string, file: string | undefined): Promise<void> {
  const { data } = session.flags;
  const config = await loadConfig(file, { data });
  const folder = path.resolve(config.data);
  const logAddress = config.log ?? `file:${path.join(folder, "log")}`;
  const isFolder = !/^(s3|kafka|memory):/.test(logAddress);
  const logFolder = logAddress.replace(/^file:/, "");
  if (isFolder && !existsSync(path.join(logFolder, "log.json")))
    throw new CliFailure(
      EXIT.notFound,
      `there is no log in ${logFolder}`,
      "name the data folder with --data",
    );
  const { openStore: open } = openersOf(session);
  const { createBackup } = await import("../../lake/backup/create-backup.ts");
  const store = await open(addressOf(place));
  const stageFolder = isRemote(place) ? await mkdtemp(path.join(tmpdir(), "muara-backup-")) : undefined;
  try {
    const stage = stageFolder === undefined ? store : await open(`file:${stageFolder}`);
    const logPlace = path.join(stageFolder ?? path.resolve(place), "log");
    const made = await createBackup(
      services,
      {
        lake: await open(config.lake ?? `file:${path.join(folder, "lake")}`),
        log: isFolder ? await open(`file:${logFolder}`) : undefined,
        address: logAddress.split("?")[0]!,
      },
      { store, stage, openLog: () => openersOf(session).openClosedLog(logPlace) },
      session.services.version,
    );
    session.say(`${made.files.length} files copied, as of ${made.created}`);
  } finally {
    if (stageFolder !== undefined) await rm(stageFolder, { recursive: true, force: true });
  }
}

async function verify(session: Session, place: string): Promise<number> {
  const { verifyBackup } = await import("../../lake/backup/verify-backup.ts");
  const store = await openersOf(session).openStore(addressOf(place));
  const logPlace = path.join(path.resolve(place), "log");
  const openLog = isRemote(place) ? undefined : () => openersOf(session).openClosedLog(logPlace);
  const report = await verifyBackup(services, store, openLog, session.io.signal);
  const { faults, inFlight, logElsewhere, ...rest } = report;
  printObjects(session.io.stdout, session.flags.output, FIELDS, [{ ...rest, in_flight: inFlight }]);
  for (const fault of faults) session.say(fault);
  if (logElsewhere !== undefined)
    session.say(
      `the log is NOT in this backup: ${logElsewhere} keeps it, with everything that is declared (event types, ` +
        "tokens, jobs, subscriptions) and what has not landed. How to keep that: docs/OPERATE.md, Back up",
    );
  return faults.length > 0 ? EXIT.checkFailed : EXIT.done;
}

async function restore(session: Session, place: string, lake: string | undefined): Promise<void> {
  const folder = path.resolve(session.flags.data);
  if (existsSync(folder))
    throw new MuaraError("backup.exists", `${folder} exists; a restore makes a folder of its own.`);
  const { restoreBackup } = await import("../../lake/backup/restore-backup.ts");
  const { openStore: open } = openersOf(session);
  const half = `${folder}.restoring`;
  await rm(half, { recursive: true, force: true });
  await mkdir(half, { recursive: true });
  const targets = {
    log: await open(`file:${path.join(half, "log")}`),
    lake: await open(lake ?? `file:${path.join(half, "lake")}`),
  };
  const manifest = await restoreBackup(await open(addressOf(place)), targets);
  await rename(half, folder);
  session.say(`${folder} is as of ${manifest.created}`);
  if (!manifest.log.isCopied)
    session.say(
      `the log was not in the backup: start it with the one that it belongs to, ${manifest.log.address}, ` +
        "and declare its deliveries anew: docs/OPERATE.md, Back up",
    );
}

function openersOf({ services: given }: Session): Required<Pick<CliServices, "openStore" | "openClosedLog">> {
  const { openStore, openClosedLog } = given;
  if (!openStore || !openClosedLog) throw new CliFailure(EXIT.failed, "this program opens no stores");
  return { openStore, openClosedLog };
}

function isRemote(place: string): boolean {
  return place.startsWith("s3:");
}

function addressOf(place: string): string {
  return isRemote(place) ? place : `file:${path.resolve(place)}`;
}
