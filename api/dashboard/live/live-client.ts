/**
 * The live stream in the browser: one for all tabs. The tab that holds the lock reads it for all and passes on what
 * comes; when it goes, another one takes over. A tab that nobody sees wants nothing, and where no tab wants anything
 * there is no stream. Where the browser has no locks (plain http from another machine) each tab has its own.
 */
import { effect, signal, type ReadonlySignal } from "@preact/signals";
import { systemRandomness } from "../../../core/clock.ts";
import { isVisible } from "../resource.ts";
import { isRefused, token } from "../token.ts";
import type { LiveState, NowValue, TailFrame, TailWant, Wants } from "./live-types.ts";
import { StreamReader, type Told } from "./stream-reader.ts";

/** Tabs say this often that they are still there, ms; who does not is forgotten after three times that. */
const HERE_MS = 5_000;

type Message =
  | { readonly kind: "want"; readonly tab: string; readonly wants: Wants }
  | { readonly kind: "who" }
  | { readonly kind: "told"; readonly told: Told };

const now = signal<NowValue | undefined>(undefined);
const state = signal<LiveState>({ kind: "idle" });
export const liveNow: ReadonlySignal<NowValue | undefined> = now;
export const liveState: ReadonlySignal<LiveState> = state;

type TailListener = (frames: readonly TailFrame[]) => void;
interface Own {
  readonly wants: Wants;
  readonly onTail: TailListener | undefined;
  readonly onResync: (() => void) | undefined;
}

class LiveClient {
  readonly #tab: string = systemRandomness.fraction().toString(36).slice(2);
  readonly #others = new Map<string, { readonly wants: Wants; readonly atMs: number }>();
  readonly #channel: BroadcastChannel;
  #own: Own = { wants: NOTHING, onTail: undefined, onResync: undefined };
  #reader: StreamReader | undefined;
  readonly #over = new AbortController();

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.addEventListener("message", ({ data }: MessageEvent<Message>) => this.#hear(data));
    const lead = async (): Promise<void> => {
      this.#reader = new StreamReader((told) => this.#tell(told));
      this.#say({ kind: "who" });
      this.#settle();
      await new Promise<void>((done) =>
        this.#over.signal.addEventListener("abort", () => done(), { once: true }),
      );
    };
    const { locks } = navigator as { readonly locks?: LockManager };
    if (locks) locks.request(name, { signal: this.#over.signal }, lead).catch(() => undefined);
    else void lead();
    const timer = setInterval(() => this.#remind(), HERE_MS);
    this.#over.signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  want(own: Own): void {
    this.#own = own;
    this.#say({ kind: "want", tab: this.#tab, wants: own.wants });
    this.#settle();
  }

  close(): void {
    this.want({ wants: NOTHING, onTail: undefined, onResync: undefined });
    this.#over.abort();
    this.#reader?.close();
    this.#channel.close();
  }

  #remind(): void {
    const { wants } = this.#own;
    if (wants.isNow || wants.tail) this.#say({ kind: "want", tab: this.#tab, wants });
    for (const [tab, { atMs }] of this.#others)
      if (performance.now() - atMs > 3 * HERE_MS) this.#others.delete(tab);
    this.#settle();
  }

  #hear(message: Message): void {
    if (message.kind === "who") {
      this.#say({ kind: "want", tab: this.#tab, wants: this.#own.wants });
    } else if (message.kind === "want") {
      this.#others.set(message.tab, { wants: message.wants, atMs: performance.now() });
      this.#settle();
    } else this.#take(message.told);
  }

  /** What all tabs want together is what the one stream is asked for. */
  #settle(): void {
    if (!this.#reader) return;
    const all = [this.#own.wants, ...[...this.#others.values()].map(({ wants }) => wants)];
    const tails = new Map(all.flatMap(({ tail }) => (tail ? [[keyOf(tail), tail] as const] : [])));
    this.#reader.want({ isNow: all.some(({ isNow }) => isNow), tails: [...tails.values()] });
  }

  #tell(told: Told): void {
    this.#say({ kind: "told", told });
    this.#take(told);
  }

  #take(told: Told): void {
    const { wants, onTail, onResync } = this.#own;
    if (told.kind === "state") {
      state.value = told.state;
      return;
    }
    // A tab that came later has not heard it.
    if (state.peek().kind !== "open") state.value = { kind: "open" };
    if (told.kind === "now") now.value = told.value;
    else if (told.kind === "resync") onResync?.();
    else if (wants.tail && keyOf(told.tail) === keyOf(wants.tail)) onTail?.(told.frames);
  }

  #say(message: Message): void {
    if (this.#over.signal.aborted) return;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has no other origins
    this.#channel.postMessage(message);
  }
}

const NOTHING: Wants = { isNow: false, tail: undefined };

function keyOf({ type, contains, fate }: TailWant): string {
  return JSON.stringify([type, contains, fate]);
}

let client: LiveClient | undefined;
const wanted = signal<Own>({ wants: NOTHING, onTail: undefined, onResync: undefined });

/** What the page that is open wants of the stream. @returns stops wanting it */
export function watchLive(wants: Wants, onTail?: TailListener, onResync?: () => void): () => void {
  const own = { wants, onTail, onResync };
  wanted.value = own;
  return () => {
    if (wanted.peek() === own) wanted.value = { wants: NOTHING, onTail: undefined, onResync: undefined };
  };
}

// Tabs with other tokens see other things: each token has a stream of its own.
effect(() => {
  const name = `muara.live.${hashOf(token.value ?? "")}`;
  now.value = undefined;
  if (isRefused.value) return undefined;
  const own = new LiveClient(name);
  client = own;
  return () => {
    own.close();
    if (client === own) client = undefined;
  };
});
effect(() => {
  const { wants, onTail, onResync } = wanted.value;
  const seen = isVisible.value;
  void token.value;
  void isRefused.value;
  client?.want({ wants: seen ? wants : NOTHING, onTail, onResync });
});

/** Says nothing of the token; tells two apart. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193) >>> 0;
  return hash.toString(36);
}
