/** The house: health, captures, deliveries, shares, tokens, the audit log and the configuration. */
import type { PageComponent } from "../page-component.ts";
import { html } from "../html.ts";
import { PageHeader } from "../parts/page-header.ts";
import { type Tab, Tabs } from "../parts/tabs.ts";
import { useResource } from "../resource.ts";
import "../style/business.css";
import { AuditList } from "./system/audit-list.ts";
import { CapturesList } from "./system/captures-list.ts";
import { ConfigList } from "./system/config-list.ts";
import { DeliveriesList } from "./system/deliveries-list.ts";
import { HouseHealth, readHealth } from "./system/house-health.ts";
import { SharesList } from "./system/shares-list.ts";
import { TokensList } from "./system/tokens-list.ts";

const EVERY_MS = 3_000;

export const Page: PageComponent = () => {
  const health = useResource("health", readHealth, EVERY_MS);
  const tabs: readonly Tab[] = [
    { id: "health", title: "Health", show: () => html`<${HouseHealth} health=${health} />` },
    { id: "captures", title: "Captures", show: () => html`<${CapturesList} />` },
    { id: "deliveries", title: "Deliveries", show: () => html`<${DeliveriesList} />` },
    { id: "shares", title: "Shares", show: () => html`<${SharesList} />` },
    { id: "tokens", title: "Tokens", show: () => html`<${TokensList} />` },
    { id: "audit", title: "Audit", show: () => html`<${AuditList} />` },
    { id: "config", title: "Configuration", show: () => html`<${ConfigList} />` },
  ];
  return html`
    <${PageHeader}
      title="System"
      about="What runs here, for whom, and with what it was told."
      asOf=${health.asOfMs}
      isLoading=${health.isLoading}
    />
    <${Tabs} label="Parts of the system" tabs=${tabs} />
  `;
};
