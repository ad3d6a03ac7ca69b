/** Addresses of pages about something, by its name. */

export function tableLink(name: string, tab = ""): string {
  return `/tables/${encodeURIComponent(name)}${tab === "" ? "" : `?tab=${tab}`}`;
}

export function jobLink(name: string): string {
  return `/jobs/${encodeURIComponent(name)}`;
}

export function eventLink(id: string): string {
  return `/events/${encodeURIComponent(id)}`;
}

/** @param at a version or a time; "" for now */
export function queryLink(sql: string, at = ""): string {
  return `/query?${new URLSearchParams({ sql, ...(at === "" ? {} : { at }) }).toString()}`;
}
