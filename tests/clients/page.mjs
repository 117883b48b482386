// Segment's library for browsers, bundled for a page that calls `run` with what the test wants.
import { AnalyticsBrowser } from "@segment/analytics-next";

window.load = (origin, writeKey) => {
  window.analytics = AnalyticsBrowser.load(
    { writeKey, cdnURL: origin },
    { integrations: { "Segment.io": { apiHost: `${new URL(origin).host}/v1`, protocol: "http" } } },
  );
};
