/* Tailorbird for web pages. Queues calls made before it loaded, keeps what is not sent yet in the
 * browser's storage, sends again what did not arrive. No dependency, first-party cookies only.
 * Apache-2.0 */
(() => {
  "use strict";
  const VERSION = "1";
  const BATCH = 50; // events in one request
  const KEPT_MAX = 1000; // events waiting; the oldest go first
  const BODY_MAX = 400_000; // bytes; the server takes 500 KB
  const BEACON_MAX = 60_000; // browsers take 64 KB of a page that is left
  const EVENT_MAX = 31_000;
  const YEAR = 31_536_000;
  const PREFIX = "tb_queue.";
  const ADOPT_AFTER = 15_000; // milliseconds after which a queue's page counts as gone

  const stub = window.tailorbird;
  if (stub && stub.VERSION) return; // a second script tag
  const early = Array.isArray(stub) ? stub.slice() : [];

  let settings = null; // {writeKey, host, cookieDomain}
  let consent = "wait"; // wait: hold in memory; yes; no
  let queue = [];
  let sending = false;
  let failures = 0;
  let timer = 0;
  let memory = {}; // cookies' stand-in where there are none
  const own = PREFIX + id();

  function id() {
    if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
    const bytes = new Uint8Array(16);
    if (window.crypto) crypto.getRandomValues(bytes);
    else bytes.forEach((_, index) => (bytes[index] = Math.random() * 256));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // As it is sent: most scripts but the Latin one take two or three bytes a character.
  function bytes(value) {
    return new TextEncoder().encode(JSON.stringify(value)).length;
  }

  // -- what lies in the browser: nothing before consent ------------------------------------------

  function cookie(name, value) {
    if (value === undefined) {
      const found = document.cookie.split("; ").find((one) => one.startsWith(name + "="));
      return found ? decodeURIComponent(found.slice(name.length + 1)) : memory[name] || null;
    }
    memory[name] = value;
    if (consent !== "yes") return value;
    const domain = settings.cookieDomain ? "; Domain=" + settings.cookieDomain : "";
    const secure = location.protocol === "https:" ? "; Secure" : "";
    const age = value === null ? 0 : YEAR;
    document.cookie = `${name}=${encodeURIComponent(value || "")}; Path=/; Max-Age=${age}; SameSite=Lax${domain}${secure}`;
    return value;
  }

  function keep() {
    if (consent !== "yes") return;
    try {
      if (queue.length) localStorage.setItem(own, JSON.stringify({ key: settings.writeKey, at: Date.now(), items: queue }));
      else localStorage.removeItem(own);
    } catch {
      // Storage is full or forbidden: the queue lives as long as the page.
    }
  }

  // What pages left behind that were closed before all was sent. Where such a page still lives, an
  // event comes twice, and the server knows it by its messageId.
  function adopt() {
    for (const key of stored()) {
      try {
        const left = JSON.parse(localStorage.getItem(key) || "{}");
        if (left.key && left.key !== settings.writeKey) continue;
        if (Date.now() - (left.at || 0) < ADOPT_AFTER && !left.gone) continue;
        localStorage.removeItem(key);
        queue = (left.items || []).concat(queue);
      } catch {
        // This one cannot be read; the others can.
      }
    }
  }

  function stored() {
    try {
      return Object.keys(localStorage).filter((one) => one.startsWith(PREFIX) && one !== own);
    } catch {
      return []; // storage is forbidden
    }
  }

  // -- sending ------------------------------------------------------------------------------------

  function body(items) {
    return JSON.stringify({ writeKey: settings.writeKey, sentAt: new Date().toISOString(), batch: items });
  }

  function fitting(limit) {
    const items = [];
    let size = 200;
    for (const one of queue.slice(0, BATCH)) {
      size += bytes(one) + 1;
      if (items.length && size > limit) break;
      items.push(one);
    }
    return items;
  }

  async function flush() {
    clearTimeout(timer);
    timer = 0;
    if (sending || !settings || consent !== "yes" || !queue.length) return;
    sending = true;
    const items = fitting(BODY_MAX);
    let pause = 0;
    try {
      // text/plain needs no preflight.
      const answer = await fetch(settings.host + "/v1/b", { method: "POST", body: body(items) });
      if (answer.status === 429 || answer.status >= 500) {
        pause = Number(answer.headers.get("retry-after")) * 1000 || backoff();
      } else {
        failures = 0;
        const done = new Set(items.map((one) => one.messageId));
        queue = queue.filter((one) => !done.has(one.messageId));
        if (!answer.ok) console.warn("Tailorbird refused events:", answer.status, await answer.text());
      }
    } catch {
      pause = backoff(); // no network, or it was cut
    }
    sending = false;
    keep();
    if (queue.length) timer = setTimeout(flush, pause);
  }

  function backoff() {
    failures += 1;
    return Math.min(1000 * 2 ** (failures - 1), 60_000) * (0.5 + Math.random() / 2);
  }

  // The page is left: a beacon outlives it. Whether it arrived nobody tells, so the events stay in
  // storage and the next page sends them again.
  function leave() {
    if (!settings || consent !== "yes" || !queue.length) return;
    try {
      localStorage.setItem(own, JSON.stringify({ key: settings.writeKey, at: Date.now(), gone: true, items: queue }));
    } catch {
      // The beacon is all there is.
    }
    if (navigator.sendBeacon) navigator.sendBeacon(settings.host + "/v1/b", new Blob([body(fitting(BEACON_MAX))], { type: "text/plain" }));
  }

  // -- calls --------------------------------------------------------------------------------------

  function context() {
    const query = new URLSearchParams(location.search);
    const campaign = {};
    for (const [key, value] of query)
      if (key.startsWith("utm_")) campaign[key === "utm_campaign" ? "name" : key.slice(4)] = value;
    return {
      library: { name: "tailorbird.js", version: VERSION },
      page: { path: location.pathname, referrer: document.referrer, search: location.search, title: document.title, url: location.href },
      locale: navigator.language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      userAgent: navigator.userAgent,
      screen: { width: screen.width, height: screen.height },
      ...(Object.keys(campaign).length && { campaign }),
    };
  }

  function add(type, fields) {
    if (consent === "no") return;
    let event = {
      type,
      messageId: id(),
      timestamp: new Date().toISOString(),
      anonymousId: cookie("tb_anonymous_id") || cookie("tb_anonymous_id", id()),
      userId: cookie("tb_user_id"),
      context: context(),
      ...fields,
    };
    try {
      if (bytes(event) > EVENT_MAX) throw new Error("it is larger than 31 KB");
      event = JSON.parse(JSON.stringify(event)); // the page may change its objects before they are sent
    } catch (problem) {
      console.warn("Tailorbird left an event out:", fields.event || type, problem.message);
      return;
    }
    queue.push(event);
    if (queue.length > KEPT_MAX) queue.shift();
    keep();
    if (!timer && !sending) timer = setTimeout(flush, 100);
  }

  const plain = (value) => (value && typeof value === "object" ? value : {});
  const api = {
    VERSION,
    load(writeKey, options = {}) {
      if (settings) return api;
      const script = document.currentScript || document.querySelector('script[src*="/v1/tailorbird.js"]');
      settings = { writeKey, host: (options.host || (script ? new URL(script.src).origin : "")).replace(/\/$/, ""), cookieDomain: options.cookieDomain };
      consent = options.consent === "wait" ? "wait" : "yes";
      if (consent === "yes") begin();
      return api;
    },
    consent(isGiven) {
      const before = consent;
      consent = isGiven ? "yes" : "no";
      if (isGiven && before !== "yes" && settings) begin();
      if (!isGiven) forget();
      return api;
    },
    page(name, properties) {
      const given = typeof name === "string" ? plain(properties) : plain(name);
      add("page", { name: typeof name === "string" ? name : undefined, properties: { path: location.pathname, url: location.href, title: document.title, referrer: document.referrer, ...given } });
      return api;
    },
    track(event, properties) {
      add("track", { event, properties: plain(properties) });
      return api;
    },
    identify(userId, traits) {
      if (userId && typeof userId !== "object") cookie("tb_user_id", String(userId));
      add("identify", { traits: plain(typeof userId === "object" ? userId : traits) });
      return api;
    },
    group(groupId, traits) {
      add("group", { groupId: String(groupId), traits: plain(traits) });
      return api;
    },
    reset() {
      for (const name of ["tb_user_id", "tb_anonymous_id"]) cookie(name, null);
      return api;
    },
    flush,
    get anonymousId() {
      return cookie("tb_anonymous_id");
    },
    get waiting() {
      return queue.length;
    },
  };

  function begin() {
    for (const name of ["tb_anonymous_id", "tb_user_id"]) if (memory[name]) cookie(name, memory[name]);
    adopt();
    keep();
    flush();
  }

  function forget() {
    queue = [];
    consent = "yes"; // for the moment that it takes to remove the cookies
    if (settings) api.reset();
    consent = "no";
    memory = {};
    for (const key of [...stored(), own]) {
      try {
        localStorage.removeItem(key);
      } catch {
        // There was nothing.
      }
    }
  }

  addEventListener("online", () => ((failures = 0), flush()));
  addEventListener("pagehide", leave);
  addEventListener("visibilitychange", () => document.visibilityState === "hidden" && leave());
  window.tailorbird = api;
  for (const [method, ...rest] of early) if (typeof api[method] === "function") api[method](...rest);
})();
