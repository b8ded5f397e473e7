// The list of entries: what the server's history says, what arrives live, and
// below it what is not sent yet.

import { component, markdown } from "./view.js";

const PAGE = 20;
const NEAR = 80; // pixels from an edge that count as being there
const SLOW = 400; // milliseconds until a message is called not sent yet
const TYPING_AT_MOST = 60_000;

export class Log {
  #list; #press; #typing; #typingTimer;
  #shown = new Map(); // key -> element
  #mine = new Map(); // id of an unsent message -> element
  #total = 0; #older = 0; #loading = false; #following = true;

  // press(value, title) is called for buttons that answer.
  constructor(list, press) {
    this.#list = list;
    this.#press = press;
  }

  bot(frame) {
    this.typing(false);
    const li = this.#fromBot(frame.message?.[0], frame.createdOn);
    this.#place(frame.messageId, li);
  }

  // another shows what the same visitor wrote elsewhere.
  another(frame) {
    const { body, renderMsg } = frame.message;
    this.#place(key(frame.id, body), mine(renderMsg ?? body, frame.id));
  }

  unsent(m) {
    if (this.#mine.has(m.id)) return;
    const li = mine(m.shown ?? m.body, m.id);
    this.#mine.set(m.id, li);
    this.#place(null, li);
    setTimeout(() => { if (this.#mine.has(m.id)) this.#note(li); }, SLOW);
  }

  #note(li) {
    const note = document.createElement("div");
    note.className = "note";
    note.textContent = "not sent yet";
    const atEnd = this.#atEnd();
    li.append(note);
    if (atEnd) this.toEnd();
  }

  acknowledged(id) {
    this.#mine.get(id)?.querySelector(".note")?.remove();
    this.#mine.delete(id);
  }

  typing(on) {
    this.#typing?.remove();
    this.#typing = null;
    clearTimeout(this.#typingTimer);
    if (!on) return;
    const li = document.createElement("li");
    li.className = "entry typing";
    const bubble = document.createElement("div");
    bubble.className = "bubble";
    bubble.textContent = "writing";
    li.append(bubble);
    this.#typing = li;
    this.#place(null, li);
    this.#typingTimer = setTimeout(() => this.typing(false), TYPING_AT_MOST);
  }

  toEnd() { this.#list.scrollTop = this.#list.scrollHeight; }

  // resized keeps the newest entry in view for who looks at it.
  resized() { if (this.#following) this.toEnd(); }

  // refresh makes the list what the server's newest page says. What arrived
  // live meanwhile and is not in it stays.
  async refresh(history) {
    const before = new Set(this.#shown.keys());
    const page = await history(0, PAGE);
    const fromEnd = this.#list.scrollHeight - this.#list.scrollTop;
    const atEnd = this.#atEnd();
    this.#list.ariaLive = "off"; // old entries are not news
    const late = [...this.#shown].filter(([k]) => !before.has(k));
    this.#shown.clear();
    this.#list.replaceChildren();
    this.#total = page.total;
    this.#older = Math.max(0, page.total - PAGE);
    this.#draw(page.messages, null);
    for (const [k, li] of late) this.#place(k, li);
    for (const li of this.#mine.values()) this.#place(null, li);
    if (this.#typing) this.#place(null, this.#typing);
    if (atEnd) this.toEnd();
    else this.#list.scrollTop = this.#list.scrollHeight - fromEnd;
    setTimeout(() => { this.#list.ariaLive = "polite"; }, 500);
  }

  // scrolled reads on when the oldest entries are near.
  async scrolled(history) {
    this.#following = this.#atEnd();
    if (this.#loading || this.#older === 0 || this.#list.scrollTop > NEAR) return;
    this.#loading = true;
    try {
      const from = this.#older;
      let page = await history(this.#total - from, PAGE);
      if (page.total !== this.#total) { // offsets count from the newest
        this.#total = page.total;
        page = await history(this.#total - from, PAGE);
      }
      if (this.#older !== from) return; // refreshed meanwhile
      this.#older = Math.max(0, from - PAGE);
      const height = this.#list.scrollHeight, top = this.#list.scrollTop;
      this.#draw(page.messages, this.#list.firstChild);
      this.#list.scrollTop = top + this.#list.scrollHeight - height;
    } finally {
      this.#loading = false;
    }
  }

  #draw(items, before) {
    for (const item of items) {
      const id = item.type === "incoming" ? key(Date.parse(item.createdOn), text(item)) : item._id;
      if (this.#shown.has(id)) continue;
      const li = this.#fromHistory(item);
      this.#shown.set(id, li);
      this.#list.insertBefore(li, before);
    }
  }

  #place(id, li) {
    if (id && this.#shown.has(id)) return;
    if (id) this.#shown.set(id, li);
    const atEnd = this.#atEnd();
    this.#list.append(li);
    if (atEnd) this.toEnd();
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  #fromBot(part, at) {
    const li = entry("entry", at);
    if (part?.component) li.append(component(part.component, this.#press));
    else {
      const bubble = document.createElement("div");
      bubble.className = "bubble";
      bubble.append(markdown(part?.cInfo?.body ?? ""));
      li.append(bubble);
    }
    return li;
  }

  // fromHistory draws an item of the history, whose templates are JSON strings.
  #fromHistory(item) {
    const body = text(item);
    if (item.type === "incoming") return mine(item.tags?.altText?.[0]?.value ?? body, item.createdOn);
    let part = { type: "text", payload: { text: body } };
    if (body.startsWith("{")) {
      try {
        const parsed = JSON.parse(body);
        if (typeof parsed.type === "string" && parsed.payload) part = { type: parsed.type, payload: parsed };
      } catch { /* ordinary text that begins with a brace */ }
    }
    return this.#fromBot({ component: part }, item.createdOn);
  }
}

const text = (item) => item.components?.[0]?.data?.text ?? "";

// key names what a person wrote by its time and words: frames of other tabs
// carry no id of the entry.
const key = (ms, body) => `${ms} ${body}`;

function entry(className, at) {
  const li = document.createElement("li");
  li.className = className;
  if (at) li.title = new Date(at).toLocaleString();
  return li;
}

function mine(body, at) {
  const li = entry("entry mine", at);
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  bubble.textContent = body;
  li.append(bubble);
  return li;
}
