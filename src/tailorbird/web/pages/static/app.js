// The live page: a few views over the control API, no library. Addresses are #/, #/people/REF,
// #/segments, #/segments/NAME, #/mails, #/mails/ID, #/events, #/refused, #/refused/RULE/FIELD/SOURCE.

const page = document.getElementById("page");
const history = new Map(); // segment -> sizes seen, for the small curves
let timer = 0;
let shown = 0; // counts visits: an answer to an older one is not drawn
let drawn = ""; // what the page holds, so that an unchanged one keeps focus and selection
let lastEnd = null;

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const text = (value) => String(value ?? "").replace(/[&<>"']/g, (c) => escapes[c]);
const number = (value) => Number(value ?? 0).toLocaleString("en-GB");
const moment = (value) => (value ? value.slice(0, 16).replace("T", " ") : "");
const go = (hash) => { location.hash = hash; };

class Problem extends Error {}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem("The server does not answer. Is it still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) { location.reload(); throw new Problem("Please log in again."); }
  if (!response.ok) throw new Problem(`${body.error?.message ?? "That did not work"}. ${body.error?.mend ?? ""}`);
  return body;
}

const WORDS = { sent: "sent", suppressed: "not sent", failed: "failed", expired: "too late", held: "waiting", intent: "waiting", handing_over: "leaving", unknown: "uncertain" };
const badge = (status) => `<span class="tag ${status === "sent" ? "sent" : ["suppressed", "failed", "expired"].includes(status) ? "no" : ""}">${WORDS[status] ?? text(status)}</span>`;

function spark(name, size) {
  const seen = history.get(name) ?? [];
  seen.push(size);
  if (seen.length > 60) seen.shift();
  history.set(name, seen);
  if (seen.every((one) => one === size)) return ""; // nothing has moved since the page was opened
  const top = Math.max(...seen, 1);
  const points = seen.map((v, i) => `${((i / Math.max(seen.length - 1, 1)) * 100).toFixed(1)},${(24 - (v / top) * 21).toFixed(1)}`);
  return `<svg class="spark" viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true"><path d="M${points.join("L")}"/></svg>`;
}

function mailRows(mails) {
  if (!mails.length) return '<p class="empty">No mails yet. They appear here as journeys send them.</p>';
  return `<table class="stack"><tr><th>Mail</th><th>To</th><th>Journey</th><th class="n">When</th></tr>${mails
    .map((m) => `<tr class="link" data-go="#/mails/${m.id}"><td><a href="#/mails/${m.id}">${text(m.subject || m.template)}</a><br>${badge(m.status)}</td><td class="small soft">${text(m.to || "no address")}</td><td class="small">${text(m.journey)}</td><td class="n small soft">${moment(m.finished_at || m.due_at)}</td></tr>`)
    .join("")}</table>`;
}

function banners(status) {
  document.getElementById("clock").textContent = moment(status.now);
  const out = [];
  if (status.notice) out.push(`<div class="banner">${text(status.notice)}</div>`);
  for (const p of (status.workspace?.problems ?? []).filter((p) => p.severity === "error").slice(0, 3))
    out.push(`<div class="banner bad"><b>A definition is broken; the version before stays live.</b>\n${text(p.file)}${p.line ? `, line ${p.line}` : ""}: ${text(p.message)}\n${text(p.mend)}</div>`);
  if (status.filling) {
    const share = Math.round(status.filling.share * 100);
    out.push(`<div class="banner"><b>${status.filling.stage === "history" ? "A new version is reading history" : "A new version is reaching people"}: ${share} %.</b>${status.filling.segments.length ? `\nNot complete yet: ${status.filling.segments.map(text).join(", ")}.` : "\nWhat was live stays live until then."}</div>`);
  }
  if (status.mail?.reachable === false) out.push(`<div class="banner bad"><b>The mail server does not answer; mails wait.</b>\n${text(status.mail.reason)}</div>`);
  if (status.sending_stopped) out.push('<div class="banner bad"><b>All sending is stopped.</b> <button data-sending="resume">Go on sending</button></div>');
  document.getElementById("banners").innerHTML = out.join("");
}

async function today(visit) {
  const all = await ask("/v1/overview");
  banners(all);
  const sent = all.messages.sent ?? 0;
  const others = Object.entries(all.messages).filter(([k]) => k !== "sent").reduce((sum, [, v]) => sum + v, 0);
  const now = performance.now();
  const rate = lastEnd ? Math.max(0, ((all.log_end - lastEnd.end) / (now - lastEnd.at)) * 1000) : 0;
  lastEnd = { end: all.log_end, at: now };
  draw(visit, `
  <h1>${text(all.name)}</h1>
  <div class="figures">
    <div class="card figure"><b>${number(all.people)}</b><span>people</span></div>
    <div class="card figure"><b>${number(sent)}</b><span>mails sent</span></div>
    <div class="card figure"><b>${number(others)}</b><span>held or not sent</span></div>
    <div class="card figure"><b>${number(Math.round(rate))}</b><span>events a second</span></div>
  </div>
  <div class="grid">
    <section class="card w5"><h2><a href="#/segments">Segments</a></h2>${segmentRows(all.segments, (s) => spark(s.name, s.size))}</section>
    <section class="card w7"><h2>Latest mails</h2>${mailRows(all.latest_messages)}</section>
    <section class="card w12"><h2>Journeys</h2><table><tr><th>Journey</th><th>Starts</th><th class="n">Sent</th><th class="n">Not sent</th></tr>${all.journeys
      .map((j) => `<tr><td>${text(j.title || j.name)}<br><span class="small soft">${text(j.description)}</span></td><td class="small">${text(j.starts.replaceAll("_", " "))}</td><td class="n">${number(j.messages.sent)}</td><td class="n">${number(Object.entries(j.messages).filter(([k]) => k !== "sent").reduce((a, [, v]) => a + v, 0))}</td></tr>`)
      .join("")}</table></section>
  </div>
  <p class="small soft" style="margin-top:1.2rem">${all.sending_stopped ? "" : '<button data-sending="stop">Stop all sending</button>'}</p>`);
  if (visit === shown) timer = setTimeout(() => show(true), 1000);
}

async function mails(visit) {
  const [status, found] = await Promise.all([ask("/v1/status"), ask("/v1/messages?limit=200")]);
  banners(status);
  draw(visit, `<h1>Mails</h1><p class="lead">The newest first. Click one to see it, and why it was sent.</p><section class="card">${mailRows(found)}</section>`);
}

const plain = (v) => (v === null ? "missing" : v === true ? "yes" : v === false ? "no" : text(v));
const valueRows = (values) => values.length ? `<table class="values">${values.map((v) => `<tr><td class="mono">${text(v.text)}</td><td><b>${plain(v.value)}</b></td></tr>`).join("")}</table>` : "";

async function mail(visit, id) {
  const why = await ask(`/v1/messages/${id}/explanation`);
  const m = why.message;
  const products = why.trigger.properties?.products?.length;
  const facts = Object.entries(why.trigger.properties ?? {}).filter(([, v]) => typeof v !== "object").map(([k, v]) => ({ text: k.replaceAll("_", " "), value: v }));
  if (products) facts.push({ text: "products", value: products });
  draw(visit, `
  <p class="small"><a href="#/mails">Mails</a></p>
  <h1>${text(m.subject || m.template)}</h1>
  <p class="sentence">${text(why.sentence)}</p>
  <div class="grid">
    <section class="w7">
      <p><button class="on" data-width="">Wide</button> <button data-width="narrow">Phone</button></p>
      ${why.decision.decided_at ? `<iframe id="mail" title="The mail as it was sent" sandbox="allow-popups" src="/v1/messages/${id}/html"></iframe>` : '<p class="card empty">This mail was never written: see at the right why.</p>'}
    </section>
    <section class="card w5"><h2>Why</h2>
      <ol class="steps">
        <li><time>${moment(why.trigger.at)}</time>The person ${text(why.trigger.text.replaceAll("_", " "))}.${valueRows(facts)}</li>
        ${why.conditions.map((c) => `<li class="${c.holds ? "" : "no"}"><time>${moment(c.at)} · ${text(c.step)}</time><span class="mono">${text(c.text)}</span><br><b>${c.holds ? "yes" : "no"}</b>${valueRows(c.values)}</li>`).join("")}
        <li class="${m.status === "sent" ? "" : "no"}"><time>${moment(m.finished_at || m.due_at)}</time>${badge(m.status)} ${m.to ? `to <b>${text(m.to)}</b>` : ""}<br><span class="small soft">${text(m.reason)}</span></li>
      </ol>
      <table class="values">
        <tr><td class="soft">Person</td><td><a href="#/people/${m.profile}">${text(m.to || m.profile)}</a></td></tr>
        <tr><td class="soft">Journey</td><td>${text(m.journey)}, step ${text(m.step)}</td></tr>
        <tr><td class="soft">Template</td><td>${text(m.template)}</td></tr>
        <tr><td class="soft">Version</td><td class="mono">${text(why.versions.journey?.slice(0, 12))}</td></tr>
        ${why.decision.missing.length ? `<tr><td class="soft">Missing</td><td>${text(why.decision.missing.join(", "))}</td></tr>` : ""}
        ${why.decision.fallbacks.map((f) => `<tr><td class="soft">Fallback</td><td>${text(f)}</td></tr>`).join("")}
      </table>
    </section>
  </div>`);
}

async function people(visit, reference) {
  if (!reference) {
    const status = await ask("/v1/status");
    banners(status);
    draw(visit, `<h1>People</h1><p class="lead">${number(status.people)} people are known. Look one up by customer number, e-mail address or any other identifier.</p>
    <form class="search" id="search"><input name="who" placeholder="17850, ada@shop.example or anonymous_id:…" aria-label="Who" autofocus><button>Look up</button></form>`);
    return;
  }
  const ref = encodeURIComponent(reference);
  const [p, found, journeys] = await Promise.all([ask(`/v1/profiles/${ref}`), ask(`/v1/messages?profile=${ref}&limit=50`), ask("/v1/journeys")]);
  const next = Object.fromEntries(p.next_changes.map((n) => [n.segment, n.at]));
  draw(visit, `
  <p class="small"><a href="#/people">People</a></p>
  <h1>${text(p.traits.name ?? p.traits.first_name ?? p.traits.email ?? p.id)}</h1>
  <p class="lead">${p.identifiers.map((i) => `<span class="tag">${text(i.kind.replaceAll("_", " "))}: ${text(i.value)}</span>`).join("")}</p>
  <div class="grid">
    <section class="card w5"><h2>Segments</h2>${p.memberships.length ? `<table>${p.memberships.map((m) => `<tr class="link" data-go="#/segments/${encodeURIComponent(m.name)}"><td><a href="#/segments/${encodeURIComponent(m.name)}">${text(m.name)}</a></td><td class="n small soft">since ${moment(m.since)}${next[m.name] ? `<br>next look ${moment(next[m.name])}` : ""}</td></tr>`).join("")}</table>` : '<p class="empty">In no segment now.</p>'}
      <h2 style="margin-top:1.3rem">Scores</h2><table>${Object.entries(p.scores).map(([k, v]) => `<tr><td>${text(k)}</td><td class="n">${v === null ? "missing" : Number(v).toFixed(1)}</td></tr>`).join("")}</table>
      <h2 style="margin-top:1.3rem">Known</h2><table>${Object.entries(p.traits).map(([k, v]) => `<tr><td class="soft">${text(k.replaceAll("_", " "))}</td><td class="n">${v && typeof v === "object" ? Object.entries(v).map(([a, b]) => `${text(a)}: ${plain(b)}`).join("<br>") : plain(v)}</td></tr>`).join("")}</table></section>
    <section class="card w7"><h2>Mails</h2>${mailRows(found)}
      <h2 style="margin-top:1.3rem">On the way</h2>${p.journeys.length ? `<table>${p.journeys.map((j) => `<tr><td>${text(j.journey)}, at ${text(j.step)}</td><td class="n small soft">goes on ${moment(j.goes_on_at)}</td></tr>`).join("")}</table>` : '<p class="empty">In no journey now.</p>'}
      <h2 style="margin-top:1.3rem">Why not?</h2><form class="search" id="why" data-ref="${text(reference)}"><select name="journey" aria-label="Journey">${journeys.map((j) => `<option value="${text(j.name)}">${text(j.title || j.name)}</option>`).join("")}</select><button>Why did they not get it?</button></form><div id="whynot"></div></section>
  </div>`);
}

async function whyNot(form) {
  const out = document.getElementById("whynot");
  const found = await ask(`/v1/profiles/${encodeURIComponent(form.dataset.ref)}/why-not?journey=${encodeURIComponent(form.journey.value)}`);
  out.innerHTML = `<p class="sentence">${found.stopped_by ? `It stops at “${text(found.stopped_by.text)}”.` : "Nothing stops it: every condition holds now."}</p>${found.stopped_by ? `<p>What would change that: ${found.smallest_change?.verified === false ? "nothing that was tried; what would have to be: " : ""}${text(found.smallest_change?.text ?? "nothing that this person does from now on")}.</p>` : ""}<ol class="steps">${found.conditions.map((c) => `<li class="${c.holds ? "" : "no"}"><time>${text(c.step)}</time><span class="mono">${text(c.text)}</span> <b>${c.holds ? "yes" : "no"}</b>${valueRows(c.values)}</li>`).join("")}</ol>`;
}

const segmentRows = (all, middle) => {
  const biggest = Math.max(...all.map((s) => s.size), 1);
  return all.length ? `<table>${all
    .map((s) => `<tr class="link" data-go="#/segments/${encodeURIComponent(s.name)}"><td><a href="#/segments/${encodeURIComponent(s.name)}">${text(s.title || s.name)}</a><div class="bar"><i style="width:${(s.size / biggest) * 100}%"></i></div></td><td style="width:40%">${middle(s)}</td><td class="n">${number(s.size)}</td></tr>`)
    .join("")}</table>` : '<p class="empty">No segments yet. Put a file into segments/ of the workspace.</p>';
};

const STARTS = [
  ["Bought more than five times in a month", "count(order_completed within 30d) > 5"],
  ["Spent much within a year", "sum(order_completed.revenue within 365d) >= 1000"],
  ["Bought before, and not for sixty days", "since(order_completed) > 60d"],
  ["Left a cart behind", "abandoned(cart_added, order_completed after 1h)"],
  ["Looked at one category again and again today", "count(product_viewed where category = 'shoes' within 24h) > 3"],
  ["Lives there, and is not yet a member", "traits.country = 'France' and not in segment('vip')"],
];

async function segments(visit) {
  const [status, all] = await Promise.all([ask("/v1/status"), ask("/v1/segments")]);
  banners(status);
  draw(visit, `<h1>Segments</h1><p class="lead">Groups of people that change at the very second in which a condition does.</p>
  <div class="grid"><section class="card w12"><h2>What would a segment be?</h2>
    <form id="ask"><label class="small soft" for="expression">A condition, such as those of the segments below</label>
    <textarea id="expression" name="expression" rows="3" class="mono" spellcheck="false" placeholder="count(order_completed within 30d) >= 2 and traits.country = 'France'"></textarea>
    <p><button>Ask all history</button></p>
    <details class="small"><summary>Conditions to start from</summary><ul class="starts">${STARTS.map(([words, one]) => `<li>${words}<br><button type="button" class="mono" data-start>${text(one)}</button></li>`).join("")}</ul></details></form>
    <div id="asked" role="status"></div></section>
  <section class="card w12"><h2>Live</h2>${segmentRows(all, (s) => `<span class="mono soft">${text(s.when)}</span>`)}</section></div>`);
}

const bars = (rows, top) => `<table>${rows.map(([label, size, note]) => `<tr><td><span class="mono">${text(label)}</span><div class="bar"><i style="width:${(100 * size) / Math.max(top, 1)}%"></i></div></td><td class="n">${number(size)}${note ? `<br><span class="small soft">${text(note)}</span>` : ""}</td></tr>`).join("")}</table>`;

function curve(days) {
  const top = Math.max(...days.map(([, size]) => size), 1);
  const points = days.map(([, size], i) => `${((i / Math.max(days.length - 1, 1)) * 100).toFixed(1)},${(38 - (size / top) * 35).toFixed(1)}`);
  const [[first, before], [last, now]] = [days[0], days.at(-1)];
  return `<svg class="spark tall" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="${number(before)} on ${first}, ${number(now)} on ${last}"><path d="M${points.join("L")}"/></svg><p class="small soft ends"><span>${number(before)} on ${first}</span><span>${number(now)} on ${last}</span></p>`;
}

const examples = (people) => `<table class="stack">${people.map((p) => `<tr class="link" data-go="#/people/${p.id}"><td><a href="#/people/${p.id}">${text((p.known_as.find((k) => k.startsWith("email:")) ?? p.known_as[0] ?? p.id).replace(/^(email|user_id):/, ""))}</a></td><td class="small">${p.conditions.map((c) => c.values.map((v) => `<span class="mono${c.holds ? "" : " fails"}">${text(v.text)} = ${text(v.value ?? "missing")}</span>`).join("<br>")).join("<br>")}</td></tr>`).join("")}</table>`;

async function preview(form) {
  const out = document.getElementById("asked");
  const expression = form.expression.value.trim();
  if (!expression) return;
  out.innerHTML = '<p class="empty">Asking…</p>';
  const p = await ask("/v1/segments/preview", { method: "POST", body: JSON.stringify({ expression }) });
  const about = p.estimate ? "about " : "";
  const facts = [["can be mailed", p.reachable], ["without consent", p.without_consent], ["without address", p.without_address], ["suppressed", p.suppressed], ["had today’s share of mail", p.capped]];
  out.innerHTML = `${p.warnings.map((w) => `<p class="hint">${text(w)}</p>`).join("")}
    <div class="figures"><div class="figure"><b>${about}${number(p.size)}</b><span>of ${number(p.people)} people${p.estimate ? `, ± ${number(p.error)}` : ""}</span></div>${facts.filter(([, n], i) => n || !i).map(([word, n]) => `<div class="figure"><b>${number(n)}</b><span>${word}</span></div>`).join("")}</div>
    <div class="grid">
    ${p.funnel.length ? `<section class="w7"><h2>Condition by condition</h2>${bars(p.funnel, p.people)}</section>` : ""}
    ${p.days.length ? `<section class="w5"><h2>Size over 30 days${p.days_estimated ? ", about" : ""}</h2>${curve(p.days)}</section>` : ""}
    ${p.members.length ? `<section class="w7"><h2>Some members</h2>${examples(p.members)}</section>` : ""}
    ${p.overlaps.length ? `<section class="w5"><h2>Shares people with</h2>${bars(p.overlaps.slice(0, 8).map(([name, both, size]) => [name, both, `of ${number(size)}`]), p.size)}</section>` : ""}
    ${p.near_misses.length ? `<section class="w12"><h2>Near misses: one condition alone fails</h2>${examples(p.near_misses)}</section>` : ""}
    </div>
    <p class="small soft">Asked in ${p.seconds.toFixed(2)} s. To make it a segment, save this as segments/NAME.yaml of the workspace:</p><pre class="mono raw">when: ${text(JSON.stringify(expression))}</pre>`;
}

async function segment(visit, name) {
  const [all, members] = await Promise.all([ask("/v1/segments"), ask(`/v1/segments/${encodeURIComponent(name)}/members?limit=100`)]);
  const s = all.find((one) => one.name === name);
  if (!s) throw new Problem(`There is no segment “${name}”.`);
  draw(visit, `
  <p class="small"><a href="#/segments">Segments</a></p>
  <h1>${text(s.title || s.name)}</h1><p class="lead">${text(s.description)}</p>
  <div class="figures"><div class="card figure"><b>${number(s.size)}</b><span>members</span></div></div>
  <section class="card" style="margin-bottom:1.1rem"><h2>Condition</h2><code class="mono">${text(s.when)}</code><p class="small soft">It lies in segments/${text(name)}.yaml of the workspace. A saved change goes live at once.</p></section>
  <section class="card"><h2>Members</h2>${members.members.length ? `<table><tr><th>Person</th><th class="n">Since</th></tr>${members.members.map((m) => `<tr class="link" data-go="#/people/${m.id}"><td><a href="#/people/${m.id}">${text((m.identifiers.find((i) => i.kind === "email") ?? m.identifiers[0])?.value ?? m.id)}</a></td><td class="n small soft">${moment(m.since)}</td></tr>`).join("")}</table>${members.next ? '<p class="small soft">The first 100 are shown.</p>' : ""}` : '<p class="empty">Nobody is in this segment now.</p>'}</section>`);
}

const RULES = { nobody: "Nobody is named", bad_timestamp: "The time cannot be read", not_json: "It is no JSON", missing: "Something is missing", wrong_type: "A value of the wrong type", too_large: "Too large", too_many: "Too many at once", too_deep: "Nested too deep", unknown_call: "An unknown call", not_an_object: "It is no object", bad_number: "A number that is none", not_text: "Text that is none", plan_missing: "The plan demands a field", plan_type: "The plan types a field otherwise", plan_forbidden: "The plan forbids it", plan_unknown: "The plan does not know it" };
const ruled = (rule) => RULES[rule] ?? rule.replaceAll("_", " ");
const place = (g) => `#/refused/${[g.rule, g.field, g.source].map(encodeURIComponent).join("/")}`;

async function refused(visit, rest) {
  if (rest[0]) return refusedGroup(visit, rest);
  const [status, found] = await Promise.all([ask("/v1/status"), ask("/v1/dead-letters/groups")]);
  banners(status);
  const totals = found.totals;
  draw(visit, `<h1>Refused</h1><p class="lead">What senders sent and could not be taken. Nothing is lost: mend it, and it counts as of when it came.</p>
  <div class="figures">${[["waiting here", found.groups.reduce((sum, g) => sum + g.count, 0)], ["replayed", totals.replayed], ["dropped", totals.dropped], ["expired", totals.expired]].map(([word, count]) => `<div class="card figure"><b>${number(count)}</b><span>${word}</span></div>`).join("")}</div>
  <section class="card">${found.groups.length ? `<table class="stack"><tr><th>Why</th><th>For example</th><th>From</th><th class="n">Items</th></tr>${found.groups
    .map((g) => `<tr class="link" data-go="${place(g)}"><td><a href="${place(g)}">${text(ruled(g.rule))}</a><br><span class="small soft mono">${text(g.field)}</span></td><td class="small mono">${text(g.latest.value || g.latest.message)}</td><td class="small">${text(g.source)}<br><span class="soft">${moment(g.last_at)}</span></td><td class="n">${number(g.count)}</td></tr>`)
    .join("")}</table>` : '<p class="empty">Nothing was refused. Items that cannot be taken would wait here.</p>'}</section>`);
}

const marked = (letter) => {
  let shownRaw = letter.raw;
  try { shownRaw = JSON.stringify(JSON.parse(letter.raw), null, 2); } catch { /* shown as it came */ }
  const key = letter.field.split(".").pop();
  return text(shownRaw).replaceAll(new RegExp(`(&quot;${key.replace(/[^A-Za-z0-9_]/g, ".")}&quot;:[^\n]*)`, "g"), "<mark>$1</mark>");
};

async function refusedGroup(visit, [rule, field, source]) {
  const query = new URLSearchParams({ rule, field, source, limit: 20 });
  const found = await ask(`/v1/dead-letters?${query}`);
  const first = found.letters[0];
  if (!first) return draw(visit, '<p class="small"><a href="#/refused">Refused</a></p><h1>Nothing is left here</h1><p class="lead">All of these have been replayed or dropped.</p>');
  draw(visit, `
  <p class="small"><a href="#/refused">Refused</a></p>
  <h1>${text(ruled(rule))}${field ? `: <span class="mono">${text(field)}</span>` : ""}</h1>
  <p class="lead">${text(first.message)}. ${text(first.mend)}</p>
  <div class="grid">
    <section class="card w7"><h2>Items from ${text(source)}, the oldest first</h2>${found.letters.map((l, i) => `<details ${i ? "" : "open"}><summary><span class="soft small">${moment(l.at)}</span> <span class="mono">${text(l.raw.replace(/\s+/g, " ").slice(0, 70))}</span></summary><pre class="mono raw">${marked(l)}</pre></details>`).join("")}${found.next ? '<p class="small soft">The first 20 are shown; the mend is for all of them.</p>' : ""}</section>
    <section class="card w5"><h2>Mend and try again</h2>
      <form id="mend" data-rule="${text(rule)}" data-field="${text(field)}" data-source="${text(source)}">
        <label>Set a field<span class="pair"><input name="path" placeholder="userId" aria-label="Field to set"><input name="value" placeholder="properties.customer or 'EUR'" aria-label="Its value"></span></label>
        <label>Rename a field<span class="pair"><input name="old" placeholder="properties.prod" aria-label="Old name"><input name="new" placeholder="properties.product_id" aria-label="New name"></span></label>
        <label>Leave a field out<input name="drop" placeholder="timestamp"></label>
        <p><button name="do" value="try">Try</button> <button name="do" value="replay">Replay all</button> <button name="do" value="drop">Drop all</button></p>
      </form>
      <p class="small soft">A value is a field of the item, a text in quotes or a calculation. With nothing filled in they are tried as they are: after the plan in schema.yaml was changed, for example.</p>
      <div id="mended"></div></section>
  </div>`);
}

async function mend(form, way) {
  const out = document.getElementById("mended");
  const value = (name) => form.elements[name].value.trim();
  const given = {};
  if (value("path")) given.set = { [value("path")]: value("value") };
  if (value("old")) given.rename = { [value("old")]: value("new") };
  if (value("drop")) given.drop = value("drop").split(/[\s,]+/);
  const which = { rule: form.dataset.rule, field: form.dataset.field, source: form.dataset.source };
  if (way === "drop") {
    if (!confirm("Drop all of these for good?")) return;
    const dropped = await ask(`/v1/dead-letters?${new URLSearchParams(which)}`, { method: "DELETE" });
    out.innerHTML = `<p class="sentence">${number(dropped.dropped)} dropped.</p>`;
    return;
  }
  const wanted = { ...which, dry_run: way === "try" };
  if (Object.keys(given).length) wanted.mend = given;
  const done = await ask("/v1/dead-letters/replay", { method: "POST", body: JSON.stringify(wanted) });
  const refusals = done.attempts.filter((a) => a.error);
  const words = wanted.dry_run ? ["would be accepted", "would be refused"] : ["accepted", "refused again"];
  out.innerHTML = `<p class="sentence">${number((done.counts.accepted ?? 0) + (done.counts.duplicate ?? 0))} ${words[0]}, ${number(done.counts.refused ?? 0)} ${words[1]}.</p>
    ${refusals.slice(0, 3).map((a) => `<p class="small">${text(a.error.message)}. ${text(a.error.mend)}</p>`).join("")}
    ${wanted.dry_run && done.attempts[0] ? `<h2>The first as it would be tried</h2><pre class="mono raw">${text(pretty(done.attempts[0].after[0] ?? ""))}</pre>` : ""}`;
}

const pretty = (raw) => { try { return JSON.stringify(JSON.parse(raw), null, 2); } catch { return raw; } };

const PLAN = { unknown: "not in the plan", planned: "in the plan", watch: "watched", type: "typed", demand: "demanded", forbid: "forbidden" };
const planTag = (plan) => `<span class="tag ${plan === "unknown" || plan === "forbid" ? "no" : "sent"}">${PLAN[plan] ?? text(plan)}</span>`;

async function events(visit) {
  const [status, found] = await Promise.all([ask("/v1/status"), ask("/v1/learned")]);
  banners(status);
  const part = (p) => `<tr><td><span class="mono">${text(p.name)}</span></td><td class="small">${text(p.types.join(", ") || "always empty")}</td><td>${planTag(p.plan)}</td><td class="n small soft">${p.unfitting ? `${number(p.unfitting)} do not fit` : ""}</td></tr>`;
  const event = (e) => `<section class="card w12"><h2>${text(e.event.replaceAll("_", " "))} ${planTag(e.plan)}</h2>
    <p class="small soft">${number(e.count)} came, the first ${moment(e.first_at)}, the last ${moment(e.last_at)}.</p>
    ${e.properties.length ? `<table class="stack"><tr><th>Property</th><th>Types</th><th>Plan</th><th class="n"></th></tr>${e.properties.map(part).join("")}</table>` : '<p class="small soft">It brings no properties.</p>'}</section>`;
  draw(visit, `<h1>Events</h1><p class="lead">What came, with its properties; what the tracking plan in schema.yaml does not list comes first. Values are not kept.</p>
  ${found.schema ? '<p><button data-schema>What to add to schema.yaml</button></p>' : ""}
  <pre class="card mono" id="schema" tabindex="0" aria-label="What to add to schema.yaml" hidden>${text(found.schema)}</pre>
  <div class="grid">${found.events.length ? found.events.map(event).join("") : '<p class="empty w12">No events yet. They appear here as senders call.</p>'}</div>`);
}

function draw(visit, html) {
  if (visit !== shown || html === drawn) return;
  const focused = page.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  drawn = html;
  page.innerHTML = html;
  if (focused) page.querySelector(`a[href="${focused}"]`)?.focus({ preventScroll: true });
}

function decoded(address) {
  try {
    return decodeURIComponent(address);
  } catch {
    throw new Problem("The address holds a % that stands for nothing. Write it as %25.");
  }
}

async function show(isUpdate) {
  clearTimeout(timer);
  const visit = ++shown;
  const [, view = "", ...rest] = location.hash.split("/");
  for (const link of document.querySelectorAll("header nav a")) link.classList.toggle("on", link.getAttribute("href") === `#/${view}`);
  try {
    const argument = view === "refused" ? "" : decoded(rest.join("/"));
    if (!isUpdate) window.scrollTo(0, 0);
    if (view === "people") await people(visit, argument);
    else if (view === "segments" && argument) await segment(visit, argument);
    else if (view === "segments") await segments(visit);
    else if (view === "refused") await refused(visit, rest.map(decoded));
    else if (view === "mails" && argument) await mail(visit, argument);
    else if (view === "mails") await mails(visit);
    else if (view === "events") await events(visit);
    else await today(visit);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    draw(visit, `<h1>That did not work</h1><p class="lead">${text(problem.message)}</p><p><button data-again>Try again</button></p>`);
    if (!view && visit === shown) timer = setTimeout(() => show(true), 3000);
  }
}

document.addEventListener("click", async (event) => {
  if (event.target.closest("[data-again]")) return location.reload();
  if (event.target.closest("a")) return;
  const row = event.target.closest("[data-go]");
  if (row) return go(row.dataset.go);
  const width = event.target.closest("[data-width]");
  if (width) {
    document.getElementById("mail")?.classList.toggle("narrow", width.dataset.width === "narrow");
    for (const one of document.querySelectorAll("[data-width]")) one.classList.toggle("on", one === width);
  }
  if (event.target.closest("[data-schema]")) {
    const added = document.getElementById("schema");
    added.hidden = !added.hidden;
    if (!added.hidden) added.focus();
  }
  const start = event.target.closest("[data-start]");
  if (start) { start.form.expression.value = start.textContent; start.form.expression.focus(); }
  const sending = event.target.closest("[data-sending]");
  if (sending) { await ask(`/v1/sending/${sending.dataset.sending}`, { method: "POST" }); show(true); }
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.target.id === "why") return void whyNot(event.target).catch((problem) => { document.getElementById("whynot").innerHTML = `<p class="lead">${text(problem.message)}</p>`; });
  if (event.target.id === "mend") return void mend(event.target, event.submitter?.value ?? "try").catch((problem) => { document.getElementById("mended").innerHTML = `<p class="lead">${text(problem.message)}</p>`; });
  if (event.target.id === "ask") return void preview(event.target).catch((problem) => { document.getElementById("asked").innerHTML = `<p class="lead mono told">${text(problem.message)}</p>`; });
  const who = event.target.who.value.trim();
  if (!who) return;
  const hasKind = /^(p_|[A-Za-z][A-Za-z0-9_]*:)/.test(who);
  go(`#/people/${encodeURIComponent(hasKind ? who : who.includes("@") ? `email:${who}` : `user_id:${who}`)}`);
});

addEventListener("hashchange", () => show(false));
show(false);
