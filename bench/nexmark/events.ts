/**
 * A seeded stream of an online auction: the model of Nexmark (Tucker et al., "NEXMark: A Benchmark for Queries over
 * Data Streams", 2002) with the proportions and skews of its generator in Apache Beam and nexmark/nexmark: of 50 events
 * one is a person, three are auctions, 46 are bids; half of the bids go to the hot auction, three quarters of them come
 * from the hot bidder, three quarters of the auctions are the hot seller's; prices are 10^x for an even x. Those
 * generators have no seed; this one gives the same lines for the same options, always.
 */
import { seededRandomness } from "../../core/clock.ts";

export const NEXMARK_KINDS = ["person", "auction", "bid"] as const;
export type NexmarkKind = (typeof NEXMARK_KINDS)[number];

export interface NexmarkOptions {
  readonly seed: number;
  readonly events: number;
  /** Of event time; a steady rate. */
  readonly eventsPerSecond: number;
  /** How far an event's time may lie behind its place in the stream, ms; 0: times never go back. */
  readonly disorderMs: number;
  /** Event time of the first, ms since 1970 UTC. */
  readonly startMs: number;
}

export interface NexmarkEvent {
  readonly kind: NexmarkKind;
  readonly timeMs: number;
  /** JSON as a door takes it: `metadata` with `eid` and `occurred_at`, and the fields. No line break. */
  readonly line: string;
}

export const NEXMARK_DEFAULTS: NexmarkOptions = {
  seed: 1,
  events: 100_000,
  eventsPerSecond: 1_000,
  disorderMs: 0,
  startMs: Date.UTC(2026, 2, 1),
};

const GROUP = { person: 1, auction: 3, bid: 46 } as const;
const GROUP_EVENTS = GROUP.person + GROUP.auction + GROUP.bid;
/** Of values and padding, bytes: 8 of a number, of a text its length; those of a bid without channel and URL. */
const MEAN_BYTES = { person: 200, auction: 500, bid: 100 } as const;
const FIRST_ID = 1_000;
const FIRST_CATEGORY = 10;
const CATEGORIES = 5;
/** Ids that are not there yet, so that a few bids meet no auction. */
const ID_LEAD = 10;
const AUCTIONS_IN_FLIGHT = 100;
const ACTIVE_PEOPLE = 1_000;
/** One in so many is not the hot one. */
const COLD = { auction: 2, bidder: 4, seller: 4, channel: 2 } as const;
/** So many ids share a hot one. */
const HOT_SPAN = 100;
const CHANNELS = 10_000;
const HOT_CHANNELS = ["Google", "Facebook", "Baidu", "Apple"];
const STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES = ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle"];
const FIRST_NAMES = [
  "Peter",
  "Paul",
  "Luke",
  "John",
  "Saul",
  "Vicky",
  "Kate",
  "Julie",
  "Sarah",
  "Deiter",
  "Walter",
];
const LAST_NAMES = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

export const nexmarkType = (kind: NexmarkKind): string => `nexmark.${kind}`;

const text = { type: "string" } as const;
const whole = { type: "integer" } as const;
const time = { type: "string", format: "date-time" } as const;

/** JSON Schema of each type's payload. Prices are cents. */
export const NEXMARK_SCHEMAS: Readonly<Record<NexmarkKind, object>> = {
  person: schemaOf({
    id: whole,
    name: text,
    email: text,
    card: text,
    city: text,
    state: text,
    padding: text,
  }),
  auction: schemaOf({
    id: whole,
    item: text,
    description: text,
    initial_bid: whole,
    reserve: whole,
    expires: time,
    seller: whole,
    category: whole,
    padding: text,
  }),
  bid: schemaOf({ auction: whole, bidder: whole, price: whole, channel: text, url: text, padding: text }),
};

export function* nexmarkEvents(options: Partial<NexmarkOptions> = {}): Generator<NexmarkEvent> {
  const { seed, events, eventsPerSecond, disorderMs, startMs } = { ...NEXMARK_DEFAULTS, ...options };
  const chance = new Chance(seed, eventsPerSecond);
  for (let number = 0; number < events; number++) {
    const placeMs = startMs + Math.floor((number * 1_000) / eventsPerSecond);
    const timeMs = placeMs - (disorderMs > 0 ? chance.below(disorderMs + 1) : 0);
    const kind = kindOf(number);
    const fields = chance[kind](number, timeMs);
    const padding = chance.padding(bytesOf(kind, fields), MEAN_BYTES[kind]);
    const metadata = { eid: chance.uuid(), occurred_at: new Date(timeMs).toISOString() };
    yield { kind, timeMs, line: JSON.stringify({ metadata, ...fields, padding }) };
  }
}

function kindOf(number: number): NexmarkKind {
  const place = number % GROUP_EVENTS;
  if (place < GROUP.person) return "person";
  return place < GROUP.person + GROUP.auction ? "auction" : "bid";
}

function bytesOf(kind: NexmarkKind, fields: object): number {
  const values: readonly unknown[] = Object.values(fields);
  const counted = kind === "bid" ? [...values.filter((value) => typeof value === "number"), 0] : values;
  return counted.reduce<number>((sum, value) => sum + (typeof value === "string" ? value.length : 8), 0);
}

/** Persons that there are at an event, less one. */
function lastPerson(number: number): number {
  return Math.floor(number / GROUP_EVENTS);
}

/** Auctions that there are at an event, less one; -1: none yet. */
function lastAuction(number: number): number {
  const group = Math.floor(number / GROUP_EVENTS);
  const begun = Math.min(Math.max((number % GROUP_EVENTS) - GROUP.person + 1, 0), GROUP.auction);
  return group * GROUP.auction + begun - 1;
}

/** What is drawn, in the order in which it is drawn. */
class Chance {
  readonly #random: ReturnType<typeof seededRandomness>;
  readonly #eventsPerSecond: number;

  constructor(seed: number, eventsPerSecond: number) {
    this.#random = seededRandomness(seed);
    this.#eventsPerSecond = eventsPerSecond;
  }

  uuid(): string {
    return this.#random.uuid();
  }

  /** @returns an integer in 0 … n-1 */
  below(n: number): number {
    return Math.floor(this.#random.fraction() * n);
  }

  person(number: number): object {
    const name = `${this.#of(FIRST_NAMES)} ${this.#of(LAST_NAMES)}`;
    const email = `${this.#letters(7)}@${this.#letters(5)}.com`;
    const card = Array.from({ length: 4 }, () => String(this.below(10_000)).padStart(4, "0")).join(" ");
    return {
      id: FIRST_ID + lastPerson(number),
      name,
      email,
      card,
      city: this.#of(CITIES),
      state: this.#of(STATES),
    };
  }

  auction(number: number, timeMs: number): object {
    const last = lastPerson(number);
    const isHot = this.below(COLD.seller) > 0;
    const seller = isHot ? Math.floor(last / HOT_SPAN) * HOT_SPAN : this.#somePerson(last);
    const price = this.#price();
    // So long, on the mean, until as many auctions more have begun as are in flight.
    const horizonMs = (AUCTIONS_IN_FLIGHT * GROUP_EVENTS * 1_000) / GROUP.auction / this.#eventsPerSecond;
    return {
      id: FIRST_ID + lastAuction(number),
      item: this.#letters(this.below(17) + 3),
      description: this.#letters(this.below(97) + 3),
      initial_bid: price,
      reserve: price + this.#price(),
      expires: new Date(timeMs + 1 + this.below(Math.max(2 * horizonMs, 1))).toISOString(),
      seller: FIRST_ID + seller,
      category: FIRST_CATEGORY + this.below(CATEGORIES),
    };
  }

  bid(number: number): object {
    const [auctions, people] = [lastAuction(number), lastPerson(number)];
    const isHotAuction = this.below(COLD.auction) > 0;
    const auction = isHotAuction ? Math.floor(auctions / HOT_SPAN) * HOT_SPAN : this.#someAuction(auctions);
    const isHotBidder = this.below(COLD.bidder) > 0;
    const bidder = isHotBidder ? Math.floor(people / HOT_SPAN) * HOT_SPAN + 1 : this.#somePerson(people);
    const isHotChannel = this.below(COLD.channel) > 0;
    const channel = isHotChannel ? this.#of(HOT_CHANNELS) : `channel-${this.below(CHANNELS)}`;
    const url = `https://www.nexmark.com/${this.#letters(5)}/item.htm?query=1`;
    return { auction: FIRST_ID + auction, bidder: FIRST_ID + bidder, price: this.#price(), channel, url };
  }

  /** Letters that bring it to that size on the mean, a fifth more or less. */
  padding(bytes: number, meanBytes: number): string {
    const wanted = Math.max(meanBytes - bytes, 0);
    const spread = Math.round(wanted / 5);
    return this.#letters(wanted - spread + this.below(2 * spread + 1));
  }

  #price(): number {
    return Math.round(10 ** (this.#random.fraction() * 6) * 100);
  }

  #someAuction(last: number): number {
    const first = Math.max(last - AUCTIONS_IN_FLIGHT, 0);
    return first + this.below(last - first + 1 + ID_LEAD);
  }

  #somePerson(last: number): number {
    const active = Math.min(last + 1, ACTIVE_PEOPLE);
    return last + 1 - active + this.below(active + ID_LEAD);
  }

  #of(list: readonly string[]): string {
    return list[this.below(list.length)]!;
  }

  #letters(length: number): string {
    let letters = "";
    for (let i = 0; i < length; i++) letters += LETTERS[this.below(LETTERS.length)]!;
    return letters;
  }
}

function schemaOf(properties: Readonly<Record<string, object>>): object {
  return { type: "object", properties, required: Object.keys(properties) };
}
