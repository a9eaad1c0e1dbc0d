// One auction's dashboard: how many are watching now, whether they are tracked, the analytics.
import { adoptAuction, byId, hasKey, repeat, request, setText } from "./common.mjs";
import { countText } from "./figures.mjs";
import { AnalyticsPanel } from "./analytics_panel.mjs";

const LIVE_REFRESH_MS = 3000;

const auction = adoptAuction();

function showTracking(enabled) {
  setText("tracking", enabled ? "On" : "Off");
  byId("tracking").dataset.on = enabled;
  setText("tracking-hint", enabled ? "One snapshot a minute" : "Nothing is recorded");
}

async function refreshLive() {
  try {
    const { viewers } = await request("GET", `/auctions/${auction}/viewers`);
    setText("live", viewers === null ? "–" : countText(viewers));
    byId("live").dataset.live = viewers > 0;
  } catch {
    setText("live", "–");
    byId("live").dataset.live = false;
  }
}

async function readTracking() {
  if (!hasKey()) return;
  try {
    showTracking((await request("GET", `/auctions/${auction}/settings`)).enableViewerAnalytics);
  } catch { /* the panel says what is wrong when it is opened */ }
}

new AnalyticsPanel(auction, showTracking);
repeat(refreshLive, LIVE_REFRESH_MS);
readTracking();
