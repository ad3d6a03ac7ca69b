/** What goes wrong between us and a PostgreSQL server, as errors that say who can act. */
import { MuaraError, type ErrorCode } from "../../core/errors.ts";

/** Of SQLSTATE (PostgreSQL, appendix A), by whole code or by class. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  "08": "source.unavailable",
  "28": "source.refused",
  "40": "source.unavailable",
  "53": "source.unavailable",
  "55006": "source.busy",
  "55P03": "source.unavailable",
  "57": "source.unavailable",
  "57014": "source.timeout",
  "58": "source.unavailable",
  "3D000": "source.refused",
  "42501": "source.refused",
};
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Codes of Node's about certificates and keys. */
const REFUSED_CODE = /CERT|SSL|TLS|UNABLE_TO_/;
/** What `pg` says without a code; nothing that a name of a host could be. */
const REFUSED_TEXT = /^SASL|^The server does not support SSL|^There was an error establishing an SSL/;

interface Failure {
  readonly code?: string;
  readonly message?: string;
  readonly severity?: string;
}

/**
 * The message is the server's own, which may name what it was given; never a password.
 * @param place what was spoken to, as people know it
 */
export function databaseError(error: unknown, place: string): MuaraError {
  if (error instanceof MuaraError) return error;
  const { code = "", message = "", severity } = (error ?? {}) as Failure;
  const said = message === "" ? code || "no reason given" : message;
  if (severity !== undefined && SQLSTATE.test(code)) {
    const ours = CODES[code] ?? CODES[code.slice(0, 2)] ?? "source.statement";
    return new MuaraError(ours, `${place}: ${said}`, { details: { sqlstate: code }, cause: error });
  }
  const ours =
    REFUSED_CODE.test(code) || REFUSED_TEXT.test(message) ? "source.refused" : "source.unavailable";
  return new MuaraError(ours, `${place}: ${said}`, { cause: error });
}

/** Of the server; undefined where the error is none of its. */
export function sqlstateOf(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as Failure;
  return severity !== undefined && code !== undefined && SQLSTATE.test(code) ? code : undefined;
}
