// Sends events with Segment's library for Node: HOST WRITE_KEY PREFIX COUNT.
import { Analytics } from "@segment/analytics-node";

const [host, writeKey, prefix, count] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey, flushAt: 7, flushInterval: 50, maxRetries: 50 });
const faults = [];
analytics.on("error", (error) => faults.push(error));
analytics.identify({ userId: `${prefix}-user`, traits: { email: `${prefix}@shop.example`, plan: "gold" } });
for (let index = 0; index < Number(count); index += 1)
  analytics.track({ userId: `${prefix}-user`, event: "Client Tested", properties: { prefix, index } });
analytics.page({ userId: `${prefix}-user`, name: "Home", properties: { url: "https://shop.example/" } });
analytics.group({ userId: `${prefix}-user`, groupId: "crew", traits: { size: 3 } });
await analytics.closeAndFlush();
if (faults.length) {
  console.error(faults);
  process.exit(1);
}
