/** The house: health, captures, deliveries, shares, tokens, the audit log and the configuration. */
import { systemClock } from "../../../core/clock.ts";
import type { PageComponent } from "../app.ts";
import { html } from "../html.ts";
import { PageHeader } from "../parts/page-header.ts";
import { type Tab, Tabs } from "../parts/tabs.ts";
import { filterOf } from "../router.ts";
import "../style/business.css";
import { AuditList } from "./system/audit-list.ts";
import { CapturesList } from "./system/captures-list.ts";
import { ConfigList } from "./system/config-list.ts";
import { DeliveriesList } from "./system/deliveries-list.ts";
import { HouseHealth } from "./system/house-health.ts";
import { SharesList } from "./system/shares-list.ts";
import { TokensList } from "./system/tokens-list.ts";

const TABS: readonly Tab[] = [
  { id: "health", title: "Health", show: () => html`<${HouseHealth} />` },
  { id: "captures", title: "Captures", show: () => html`<${CapturesList} />` },
  { id: "deliveries", title: "Deliveries", show: () => html`<${DeliveriesList} />` },
  { id: "shares", title: "Shares", show: () => html`<${SharesList} />` },
  { id: "tokens", title: "Tokens", show: () => html`<${TokensList} />` },
  { id: "audit", title: "Audit", show: () => html`<${AuditList} />` },
  { id: "config", title: "Configuration", show: () => html`<${ConfigList} />` },
];

export const Page: PageComponent = () => html`
  <${PageHeader}
    title="System"
    about="What runs here, for whom, and with what it was told."
    asOf=${systemClock.nowMs()}
  />
  <${Tabs} key=${filterOf("tab")} label="Parts of the system" tabs=${TABS} />
`;
