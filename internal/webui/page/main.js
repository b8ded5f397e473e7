import { Client, Refused } from "./rtm.js";
import { component, markdown } from "./view.js";

const $ = (id) => document.getElementById(id);
const log = $("log"), text = $("text"), status = $("status");
const PAGE = 20;
const seen = new Map(); // message id -> element
let client, visitor, read = 0, more = false, loading = false;

const STATES = {
  connecting: "connecting",
  open: "connected",
  away: "no connection - what you write is kept and sent later",
};

function identity() {
  visitor = localStorage.getItem("parley.visitor") ?? `visitor-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
  localStorage.setItem("parley.visitor", visitor);
}

const queue = {
  load: () => JSON.parse(localStorage.getItem(`parley.unsent.${visitor}`) ?? "[]"),
  save: (list) => localStorage.setItem(`parley.unsent.${visitor}`, JSON.stringify(list)),
};

async function begin() {
  identity();
  const answer = await fetch("demo.json", { cache: "no-store" });
  const demo = await answer.json();
  if (!answer.ok) return nothing(demo.errors?.[0]?.msg);
  $("name").textContent = demo.bot_name;
  client = new Client({ jwt: () => jwt(demo), bot: { id: demo.bot_id, name: demo.bot_name }, store: queue });
  client.addEventListener("state", ({ detail }) => {
    status.textContent = STATES[detail.state] + (detail.why ? ` (${detail.why})` : "");
    status.dataset.state = detail.state;
    if (detail.state === "open" && read === 0) older();
  });
  client.addEventListener("bot_response", ({ detail }) => { typing(false); show(detail.messageId, fromBot(detail.message[0])); });
  client.addEventListener("user_message", ({ detail }) => show(detail.messageId, mine(detail.message.renderMsg ?? detail.message.body)));
  client.addEventListener("happened", ({ detail }) => typing(detail.type === "typing"));
  client.addEventListener("acknowledged", ({ detail }) => seen.get(detail.id)?.querySelector(".note")?.remove());
  client.start();
}

async function jwt(demo) {
  const answer = await fetch("api/users/sts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ clientId: demo.client_id, identity: visitor, aud: "", isAnonymous: false }),
  });
  const json = await answer.json();
  if (!answer.ok) throw new Refused(json.errors?.[0]?.msg ?? "no JWT", answer.status);
  return json.jwt;
}

function nothing(why) {
  status.textContent = why ?? "there is no demo here";
  $("form").hidden = $("anew").hidden = true;
}

function mine(body, waiting) {
  const li = document.createElement("li");
  li.className = "entry mine";
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  bubble.textContent = body;
  li.append(bubble);
  if (waiting) {
    const note = document.createElement("div");
    note.className = "note";
    note.textContent = "not sent yet";
    li.append(note);
  }
  return li;
}

function fromBot(part) {
  const li = document.createElement("li");
  li.className = "entry";
  const content = part?.component ? component(part.component, say) : null;
  if (content) li.append(content);
  else {
    const bubble = document.createElement("div");
    bubble.className = "bubble";
    bubble.append(markdown(part?.cInfo?.body ?? ""));
    li.append(bubble);
  }
  return li;
}

// fromHistory draws an item of the history, whose templates are JSON strings.
function fromHistory(item) {
  const body = item.components?.[0]?.data?.text ?? "";
  if (item.type === "incoming") return mine(item.tags?.altText?.[0]?.value ?? body);
  let part = { type: "text", payload: { text: body } };
  if (body.startsWith("{")) {
    try {
      const parsed = JSON.parse(body);
      if (parsed.type === "template" || parsed.type === "image") part = { type: parsed.type, payload: parsed };
    } catch { /* ordinary text that begins with a brace */ }
  }
  return fromBot({ component: part });
}

function show(id, element, before) {
  if (id && seen.has(id)) return;
  if (id) seen.set(id, element);
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (before) log.insertBefore(element, before);
  else {
    log.append(element);
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}

function typing(on) {
  document.querySelector(".typing")?.remove();
  if (!on) return;
  const li = document.createElement("li");
  li.className = "entry typing";
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  bubble.textContent = "writing";
  li.append(bubble);
  show(null, li);
}

async function older() {
  if (loading) return;
  loading = true;
  try {
    const first = read === 0;
    const page = await client.history(read, PAGE);
    const height = log.scrollHeight;
    let anchor = log.firstChild;
    for (const item of page.messages) show(item._id, fromHistory(item), anchor);
    read += page.messages.length;
    more = page.moreAvailable;
    if (first) {
      for (const m of client.unsent) show(m.id, mine(m.message.renderMsg ?? m.message.body, true));
      log.scrollTop = log.scrollHeight;
    } else log.scrollTop += log.scrollHeight - height;
  } catch { /* the status line tells of the lost connection; scrolling asks again */ } finally {
    loading = false;
  }
}

function say(body, shown) {
  const id = client.send(body, shown);
  show(id, mine(shown ?? body, true));
  log.scrollTop = log.scrollHeight;
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = text.value.trim();
  if (!body || !client) return;
  text.value = "";
  text.style.height = "";
  say(body);
  text.focus();
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("form").requestSubmit();
});
text.addEventListener("input", () => {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
});
log.addEventListener("scroll", () => { if (log.scrollTop < 60 && more) older(); });
$("anew").addEventListener("click", () => {
  client?.stop();
  localStorage.removeItem("parley.visitor");
  location.reload();
});

begin().catch(() => {
  status.textContent = "no connection - trying again";
  status.dataset.state = "away";
  setTimeout(() => location.reload(), 3000);
});
