/** What the OpenAPI document says of how cases went through a process. */
import {
  type Json,
  flag,
  full,
  list,
  object,
  path,
  query,
  read,
  reference,
  text,
  textOrNull,
  time,
  whole,
  wholeOrNull,
} from "./openapi-parts.ts";

const since = query("since", { type: "string", format: "date-time" });
const until = query("until", { type: "string", format: "date-time" });

const counts = {
  open: { ...whole, description: "The watermark has not passed the deadline." },
  met: { ...whole, description: "Of completions: complete." },
  breached: { ...whole, description: "Of completions: exceeded." },
  resolved_late: { ...whole, description: "What was missing came after all." },
};

export const PROCESS_VIEW_SCHEMAS: Json = {
  ProcessMap: object({
    process: text,
    complete_through: time,
    activities: list(text),
    edges: list(
      full({
        from: { ...textOrNull, description: "Activity; null: cases begin with `to`." },
        to: { ...textOrNull, description: "Of the next event; null: no further one has come." },
        times: whole,
        cases: whole,
        median_ms: wholeOrNull,
        p95_ms: wholeOrNull,
      }),
    ),
  }),
  Variants: object({
    process: text,
    complete_through: time,
    variants: { ...whole, description: "Ways that there are." },
    cases: whole,
    items: list(
      full({
        path: { ...list(text), description: "Activities by time, the first 50." },
        cases: whole,
        median_ms: { ...wholeOrNull, description: "From the first event to the last." },
        example: { ...text, description: "A case." },
      }),
    ),
  }),
  Deadlines: object({
    process: text,
    complete_through: { ...time, description: "Lowest watermark of its tables; states are as of it." },
    items: list(
      full({
        rule: text,
        kind: { enum: ["deadline", "completion"] },
        within_ms: whole,
        states: full(counts),
        ageing: list(full({ from_ms: whole, until_ms: wholeOrNull, cases: whole })),
        due: {
          ...list(full({ from: time, until: time, ...counts })),
          description:
            "By the time at which it is due, from one deadline before the watermark to one behind it.",
        },
      }),
    ),
  }),
  DeadlineCases: object({
    process: text,
    rule: text,
    kind: { enum: ["deadline", "completion"] },
    complete_through: time,
    is_truncated: flag,
    items: list(
      full({
        case_id: text,
        event_id: { ...text, description: "Which began it." },
        state: { enum: Object.keys(counts) },
        started_at: time,
        due_at: time,
        at: time,
        resolved_at: time,
        got: wholeOrNull,
        needed: wholeOrNull,
      }),
    ),
  }),
  Cases: object({
    process: text,
    complete_through: time,
    is_truncated: flag,
    items: list(
      full({ case_id: text, begun_at: time, last_at: time, last: text, events: whole, late: whole }),
    ),
  }),
};

const one = [path("name")];

export const PROCESS_VIEW_PATHS: Json = {
  "/v1/processes/{name}/map": {
    get: read(
      "showProcessMap",
      "From which activity cases went to which, and how long it took",
      reference("ProcessMap"),
      [...one, since, until],
    ),
  },
  "/v1/processes/{name}/variants": {
    get: read("listVariants", "The ways that cases took, the most common first", reference("Variants"), [
      ...one,
      since,
      until,
      query("limit", { ...whole, minimum: 1, maximum: 200, default: 20 }),
    ]),
  },
  "/v1/processes/{name}/deadlines": {
    get: read(
      "showDeadlines",
      "How the deadlines and completions of all cases stand: by state, age and when they are due",
      reference("Deadlines"),
      [...one, since, until],
    ),
  },
  "/v1/processes/{name}/deadlines/{rule}": {
    get: read(
      "listDeadlineCases",
      "Cases by how one of their deadlines stands, what is due first",
      reference("DeadlineCases"),
      [
        ...one,
        path("rule"),
        query("state", {
          ...text,
          description: "open, met, breached, resolved_late, with commas; default: open,breached",
        }),
        since,
        until,
        query("limit", { ...whole, minimum: 1, maximum: 1_000, default: 100 }),
      ],
    ),
  },
  "/v1/cases": {
    get: read(
      "searchCases",
      "Cases of a process by a part of their name, or by how far they are",
      reference("Cases"),
      [
        query("process", text),
        query("q", { ...text, description: "Part of the case's name." }),
        query("last", { ...text, description: "Activity of its latest event." }),
        query("unfinished", { ...flag, description: "Without an event of the last activity." }),
        query("order", { enum: ["newest", "oldest"], description: "By the latest event." }),
        since,
        until,
        query("limit", { ...whole, minimum: 1, maximum: 1_000, default: 100 }),
      ],
    ),
  },
};
