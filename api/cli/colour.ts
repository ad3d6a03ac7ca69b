/**
 * Whether a stream gets colours. `--no-color` and NO_COLOR (no-color.org) come first, then FORCE_COLOR, then what the
 * terminal is; a pipe and TERM=dumb get none.
 */
import { styleText } from "node:util";
import type { Writer } from "./services.ts";

export function takesColour(
  out: Pick<Writer, "isTTY">,
  environment: Readonly<Record<string, string | undefined>>,
  isOff: boolean,
): boolean {
  if (isOff || (environment["NO_COLOR"] ?? "") !== "") return false;
  const forced = environment["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return out.isTTY === true && environment["TERM"] !== "dumb";
}

/** @param text one line */
export function coloured(style: "bold" | "dim" | "red" | "green" | "yellow", text: string): string {
  return styleText(style, text, { validateStream: false });
}
