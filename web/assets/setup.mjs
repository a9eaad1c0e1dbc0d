// An auction's settings: the switch for viewer analytics.
import { adoptAuction, askForKey, byId, hasKey, request, setText, show } from "./common.mjs";

const auction = adoptAuction();
const path = `/auctions/${auction}/settings`;
let saving = false;

// What is on the page instead of the switch, or nothing.
function showOnly(id) {
  for (const one of ["form", "key-form", "problem", "loading"]) show(one, one === id);
}

function showProblem(error) {
  if (error.unauthorized) {
    showOnly("key-form");
    askForKey(load);
    return;
  }
  setText("problem-text", error.message);
  showOnly("problem");
}

async function load() {
  showOnly("loading");
  try {
    byId("enable").checked = (await request("GET", path)).enableViewerAnalytics;
    showOnly("form");
  } catch (error) {
    showProblem(error);
  }
}

function showSaved(state, text) {
  byId("saved").dataset.state = state;
  setText("saved", text);
}

async function save() {
  const wanted = byId("enable").checked;
  saving = true;
  showSaved("saving", "Saving…");
  try {
    const { enableViewerAnalytics } = await request("PATCH", path, { enableViewerAnalytics: wanted });
    byId("enable").checked = enableViewerAnalytics;
    showSaved("saved", enableViewerAnalytics
      ? "Saved. Tracking is on." : "Saved. Tracking is off; what was recorded stays until it expires.");
  } catch (error) {
    byId("enable").checked = !wanted;
    showSaved("failed", `Not saved: ${error.message} Tracking is still ${wanted ? "off" : "on"}.`);
    if (error.unauthorized) showProblem(error);
  }
  saving = false;
}

byId("enable").onclick = (event) => { if (saving) event.preventDefault(); };
byId("enable").onchange = save;
byId("retry").onclick = load;
if (hasKey()) load();
else {
  showOnly("key-form");
  askForKey(load);
}
