/**
 * Every address of the dashboard. The server answers each with the same page; the browser finds the part that it
 * shows. None may be one of the door's or of the read side's, which share the origin.
 */

export const PAGES = [
  { path: "/", page: "now", title: "Now", group: "Watch", key: "n" },
  { path: "/live", page: "live", title: "Live", group: "Watch", key: "l" },
  { path: "/alerts", page: "alerts", title: "Alerts", group: "Watch", key: "a" },
  { path: "/tables", page: "tables", title: "Tables", group: "Lake", key: "t" },
  { path: "/query", page: "query", title: "Query", group: "Lake", key: "q" },
  { path: "/extracts", page: "extracts", title: "Extracts", group: "Lake", key: "e" },
  { path: "/dead-letters", page: "dead-letters", title: "Dead letters", group: "Lake", key: "d" },
  { path: "/jobs", page: "jobs", title: "Jobs", group: "Business", key: "j" },
  { path: "/process", page: "process", title: "Processes", group: "Business", key: "p" },
  { path: "/system", page: "system", title: "System", group: "House", key: "s" },
  { path: "/events/:id", page: "event", title: "Event" },
  { path: "/tables/:t", page: "table", title: "Table" },
  { path: "/jobs/:j", page: "job", title: "Job" },
  { path: "/cases/:id", page: "case", title: "Case" },
] as const satisfies readonly PageAddress[];

export type PageName = (typeof PAGES)[number]["page"];

export interface PageAddress {
  /** `:name` stands for one segment. */
  readonly path: string;
  readonly page: string;
  readonly title: string;
  /** Of the navigation; absent: reached from another page. */
  readonly group?: string;
  /** After `g`, goes there. */
  readonly key?: string;
}

export interface Matched {
  readonly page: PageName;
  readonly title: string;
  readonly params: Readonly<Record<string, string>>;
}

/** Undefined where no page has this path. */
export function matchPage(path: string): Matched | undefined {
  const sought = path.split("/");
  for (const { path: pattern, page, title } of PAGES) {
    const parts = pattern.split("/");
    if (parts.length !== sought.length) continue;
    if (!parts.every((part, at) => (part.startsWith(":") ? sought[at] !== "" : part === sought[at])))
      continue;
    const named = parts.flatMap((part, at) => (part.startsWith(":") ? [[part.slice(1), sought[at]!]] : []));
    const params = decodeAll(named as [string, string][]);
    if (params) return { page, title, params };
  }
  return undefined;
}

function decodeAll(named: readonly [string, string][]): Record<string, string> | undefined {
  try {
    return Object.fromEntries(named.map(([name, text]) => [name, decodeURIComponent(text)]));
  } catch {
    return undefined;
  }
}
