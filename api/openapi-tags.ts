/** How the operations of the API are put together: by what they are about, as their addresses say. */

export interface Tag {
  readonly name: string;
  readonly description: string;
  readonly addresses: RegExp;
}

/** The first that fits. */
export const TAGS: readonly Tag[] = [
  {
    name: "Publish",
    description: "Events come in: as in Nakadi's API, or as CloudEvents. 200 means durable.",
    addresses: /^\/(cloudevents|event-types\/\{name\}\/(events|deleted-events))$/,
  },
  {
    name: "Event types",
    description: "Declared contracts: schema, keys, partitions, rights. As in Nakadi's API.",
    addresses: /^\/(event-types(?!.*(partitions|cursor|shifted))|registry)/,
  },
  {
    name: "Streams",
    description: "Partitions, cursors and subscriptions: events are read as in Nakadi's API.",
    addresses: /^\/(event-types|subscriptions)/,
  },
  { name: "SQL", description: "Questions over the lake, behind walls.", addresses: /^\/v1\/sql/ },
  {
    name: "Tables",
    description: "What is in the lake, how fresh it is, whether it holds, and its upkeep.",
    addresses: /^\/v1\/(tables|erasures)/,
  },
  {
    name: "Fates",
    description: "What became of every event: books, traces, dead letters, duplicates.",
    addresses: /^\/v1\/(books|events|dead-letters|duplicates|live)/,
  },
  { name: "Jobs", description: "SELECTs over what comes, with final results.", addresses: /^\/v1\/jobs/ },
  {
    name: "Processes",
    description: "Business processes declared as data, and their cases.",
    addresses: /^\/v1\/(processes|cases)/,
  },
  {
    name: "Alerts",
    description: "Rules over the lake, what they found, and silences.",
    addresses: /^\/v1\/(rules|alerts|silences)/,
  },
  {
    name: "Captures",
    description: "Changes of PostgreSQL as events, and proof that source and lake agree.",
    addresses: /^\/v1\/captures/,
  },
  {
    name: "Deliveries",
    description: "Rows of a table sent to a receiver outside.",
    addresses: /^\/v1\/deliveries/,
  },
  {
    name: "Extracts",
    description: "Closed, checksummed Parquet for the warehouse.",
    addresses: /^\/v1\/extracts/,
  },
  { name: "Shares", description: "Tables for others, and their management.", addresses: /^\/v1\/shares/ },
  {
    name: "Delta Sharing",
    description: "The protocol that recipients of a share speak.",
    addresses: /^\/delta-sharing/,
  },
  {
    name: "Access",
    description: "Tokens, roles, and what administrators set.",
    addresses: /^\/(v1\/(tokens|roles)|settings)/,
  },
  {
    name: "Service",
    description: "Health, metrics, and what describes the API itself.",
    addresses: /^\//,
  },
];

export function tagOf(address: string): Tag {
  return TAGS.find(({ addresses }) => addresses.test(address))!;
}
