import { Log } from "./log.js";
import { Client, Refused } from "./rtm.js";
import { Unsent, forget, visitor } from "./unsent.js";

const $ = (id) => document.getElementById(id);
const text = $("text"), status = $("status"), form = $("form");
const RETRY = 3000;
const who = visitor();
let client;

const log = new Log($("log"), say);
const unsent = new Unsent(who, (messages) => {
  for (const m of messages) log.unsent(m);
  client?.send();
});

const STATES = {
  connecting: "connecting",
  open: "connected",
  away: "no connection – what you write is kept and sent later",
};

function tell(state, why) {
  status.dataset.state = state;
  status.textContent = why ?? STATES[state];
  form.inert = $("anew").hidden = state === "refused";
}

// describe asks what there is to chat with.
async function describe() {
  const answer = await fetch("demo.json", { cache: "no-store" });
  const demo = await answer.json();
  if (!answer.ok) throw new Refused(demo.errors?.[0]?.msg ?? "there is no demo here", answer.status);
  return demo;
}

async function begin() {
  let demo;
  try {
    demo = await describe();
  } catch (err) {
    if (err instanceof Refused && err.final) return tell("refused", err.message);
    tell("away");
    setTimeout(begin, RETRY);
    return;
  }
  $("name").textContent = document.title = demo.bot_name;
  client = new Client({
    jwt: () => jwt(demo),
    bot: { id: demo.bot_id, name: demo.bot_name },
    unsent,
    catchUp: () => log.refresh(history),
  });
  client.addEventListener("state", ({ detail }) => {
    tell(detail.state, detail.why);
    if (detail.state !== "open") log.typing(false);
    if (detail.state === "refused") explain(demo);
  });
  client.addEventListener("bot_response", ({ detail }) => log.bot(detail));
  client.addEventListener("user_message", ({ detail }) => log.another(detail));
  client.addEventListener("typing", ({ detail }) => log.typing(detail.on));
  client.addEventListener("acknowledged", ({ detail }) => log.acknowledged(detail.id));
  client.start();
}

// explain finds out why the chat was refused: the demo may be gone, or be
// another one since this page was loaded.
async function explain(demo) {
  try {
    const now = await describe();
    if (now.bot_id !== demo.bot_id) location.reload();
  } catch (err) {
    if (err instanceof Refused && err.final) tell("refused", err.message);
  }
}

const history = (offset, limit) => client.history(offset, limit);

async function jwt(demo) {
  const answer = await fetch("api/users/sts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ clientId: demo.client_id, identity: who, aud: "", isAnonymous: false }),
  });
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(json.errors?.[0]?.msg ?? "the server gave no JWT", answer.status);
  return json.jwt;
}

function say(body, shown) {
  log.unsent(unsent.write(body, shown));
  client?.send();
  log.toEnd();
  // A quick reply goes with the click that used it, and the focus with it.
  if (!document.activeElement || document.activeElement === document.body) text.focus({ preventScroll: true });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = text.value.trim();
  if (!body) return;
  text.value = "";
  grow();
  say(body);
  text.focus();
});

// Enter sends, Shift+Enter makes a line. A line break is stopped rather than a
// key, because the keyboards of telephones tell no keys.
let shift = false;
text.addEventListener("keydown", (event) => { shift = event.shiftKey; });
text.addEventListener("beforeinput", (event) => {
  if (event.inputType !== "insertLineBreak" || shift || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
}
text.addEventListener("input", grow);

$("log").addEventListener("scroll", () => {
  if (client) log.scrolled(history).catch(() => { /* scrolling asks again */ });
});

// The keyboard of a telephone takes away from the height.
addEventListener("resize", () => log.resized());

$("anew").addEventListener("click", () => {
  client?.stop();
  forget(who);
  location.reload();
});

begin();
