/**
 * Verbs after which something is gone for good ask first at a terminal; elsewhere they need `--yes`. A dry run does
 * not ask.
 */
import type { Command } from "commander";
import type { Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { visible } from "./output.ts";

/** Command → what it does to what it names. */
export const DESTRUCTIVE: Readonly<Record<string, string>> = {
  erase: "removes events from every version of their tables, dead letters and the log",
  "table expire": "removes rows",
  "table rollback": "removes the rows that landed since",
  "table sweep": "deletes files",
  "job remove": "ends the job and drops its state",
  "process remove": "ends the process and its jobs",
  "rule remove": "ends the rule",
  "capture remove": "ends the capture and drops its slot: what changes from now on is not seen",
  "capture recopy": "copies tables anew; without --table it drops the slot",
  "deliver delete": "ends the delivery",
  "share revoke": "ends the reading of the share",
  "token revoke": "ends the token",
  "role remove": "takes the role's grants from its tokens",
};

/** @throws CliFailure where nobody agreed */
export async function confirm({ io, flags }: Session, command: Command, path: string): Promise<void> {
  const effect = DESTRUCTIVE[path];
  const { yes, dryRun } = command.opts<{ yes?: boolean; dryRun?: boolean }>();
  if (effect === undefined || yes === true || dryRun === true) return;
  const what = `muara ${[path, ...command.args].map(visible).join(" ")}`;
  if (!flags.takesInput)
    throw new CliFailure(
      EXIT.usage,
      `\`${what}\` ${effect}, and there is nobody to ask.`,
      "Say so with --yes.",
    );
  io.stderr.write(`${what} ${effect}. Go on? [y/N] `);
  const answer = await line(io.stdin);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new CliFailure(EXIT.failed, "not confirmed; nothing was changed.");
}

async function line(input: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of input) {
    text += Buffer.from(chunk).toString();
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0]!;
}
