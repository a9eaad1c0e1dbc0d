// An auction's settings: the switch for viewer analytics.
import { adoptAuction, askForKey, byId, dropKey, hasKey, request, show } from "./common.mjs";

const auction = adoptAuction();
const path = `/auctions/${auction}/settings`;

function showProblem(error) {
  show("form", false);
  if (error.unauthorized) {
    askForKey(hasKey(), load);
    dropKey();
    return;
  }
  byId("problem-text").textContent = error.message;
  show("problem", true);
}

async function load() {
  show("problem", false);
  try {
    byId("enable").checked = (await request("GET", path)).enableViewerAnalytics;
    show("form", true);
  } catch (error) {
    showProblem(error);
  }
}

async function save() {
  const wanted = byId("enable").checked;
  byId("enable").disabled = true;
  byId("saved").textContent = "Saving…";
  try {
    const { enableViewerAnalytics } = await request("PATCH", path, { enableViewerAnalytics: wanted });
    byId("enable").checked = enableViewerAnalytics;
    byId("saved").textContent = enableViewerAnalytics
      ? "Saved: tracking is on." : "Saved: tracking is off. What was recorded stays until it expires.";
  } catch (error) {
    byId("enable").checked = !wanted;
    byId("saved").textContent = `Not saved: ${error.message}`;
    if (error.unauthorized) showProblem(error);
  }
  byId("enable").disabled = false;
  byId("enable").focus();
}

byId("enable").onchange = save;
byId("retry").onclick = load;
if (hasKey()) load();
else askForKey(false, load);
