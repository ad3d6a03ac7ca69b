/** Whom a rule tells, as the configuration names them. */
import type { AlertReceiver } from "../../core/alert-receiver.ts";
import { MuaraError } from "../../core/errors.ts";
import type { AlertNotifier } from "../../core/ports/alert-notifier.ts";

export interface OpenReceiver {
  readonly name: string;
  readonly notifier: AlertNotifier;
  /** Between two sendings of the same, ms; null: told once. */
  readonly resendMs: number | null;
  /** Alerts of one sending. */
  readonly batch: number;
}

export type OpenNotifier = (name: string, receiver: AlertReceiver) => AlertNotifier;

const BATCH_ALERTS = 256;

/** @throws config.invalid for a name that the configuration lacks */
export function openReceivers(
  names: readonly string[],
  configured: Readonly<Record<string, AlertReceiver>>,
  openNotifier: OpenNotifier,
  resendMs: number,
): readonly OpenReceiver[] {
  return names.map((name) => {
    const receiver = Object.hasOwn(configured, name) ? configured[name] : undefined;
    if (!receiver)
      throw new MuaraError("config.invalid", `alerts.receivers has no "${name}"`, {
        details: { key: "alerts.receivers" },
      });
    const notifier = openNotifier(name, receiver);
    // A webhook has one alert at a time: its id is the alert's, and the same at every attempt.
    return receiver.webhook === undefined
      ? { name, notifier, resendMs, batch: BATCH_ALERTS }
      : { name, notifier, resendMs: null, batch: 1 };
  });
}
