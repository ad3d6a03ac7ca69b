/** An index of a cluster that the configuration names, as a sink of deliveries. */
import type { Clock } from "../../core/clock.ts";
import type { Sink } from "../../core/ports/sink.ts";
import type { SearchAddress } from "../../core/search-address.ts";
import type { ReadSecret } from "../../core/secret.ts";
import { openClient } from "./client.ts";
import { SearchSink, type SearchSinkOptions } from "./sink.ts";

export interface SearchSinkRequest extends Omit<SearchSinkOptions, "replicas"> {
  readonly address: SearchAddress;
  readonly readSecret: ReadSecret;
  readonly timeoutMs: number;
}

/** @throws config.invalid where a secret is missing */
export async function openSearchSink(clock: Clock, request: SearchSinkRequest): Promise<Sink> {
  const { address, readSecret, timeoutMs, ...options } = request;
  const client = await openClient(address, readSecret, timeoutMs);
  return new SearchSink(client, clock, { ...options, replicas: address.replicas });
}
