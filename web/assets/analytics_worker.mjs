// Beside the page, so that three months of minutes do not stop it: the bytes of an answer
// in, and how many points its chart may have; what the dashboard shows out, or {broken: true} for an
// answer that was cut short.
import { summarise } from "./figures.mjs";
import { makeSeries } from "./series.mjs";

const TREND_LENGTH = 20;

function digest(bytes, most) {
  const { enableViewerAnalytics, snapshots } = JSON.parse(new TextDecoder().decode(bytes)).data;
  return {
    enableViewerAnalytics,
    count: snapshots.length,
    figures: summarise(snapshots),
    series: makeSeries(snapshots, most),
    trend: snapshots.slice(-TREND_LENGTH).reverse(),
  };
}

onmessage = ({ data: { ticket, bytes, most } }) => {
  let result;
  try {
    result = digest(bytes, most);
  } catch {
    result = { broken: true };
  }
  postMessage({ ticket, ...result });
};
