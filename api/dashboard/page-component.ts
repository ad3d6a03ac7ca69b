/** What a file of `pages/` exports as `Page`. */
import type { FunctionComponent } from "preact";

/** What its address says: `/tables/NAME`. */
type Params = Readonly<Record<string, string>>;
export type PageComponent = FunctionComponent<{ readonly params: Params }>;
