// What was written and not acknowledged yet, kept in the browser so that it
// survives a reload, a closed tab and a crash. Each message has a key of its
// own, because several tabs of one visitor share the store; a lock says which
// pages live, and the messages of one that ended go to another.

const PREFIX = "parley.unsent";

// A browser that keeps nothing (private mode, blocked storage) still chats.
const storage = (() => {
  try {
    localStorage.setItem("parley.probe", "1");
    localStorage.removeItem("parley.probe");
    return localStorage;
  } catch {
    const kept = new Map();
    return {
      get length() { return kept.size; },
      key: (i) => [...kept.keys()][i],
      getItem: (k) => kept.get(k) ?? null,
      setItem: (k, v) => { kept.set(k, v); },
      removeItem: (k) => { kept.delete(k); },
    };
  }
})();

export const unique = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");

// visitor is who this browser is here.
export function visitor() {
  const known = storage.getItem("parley.visitor");
  if (known) return known;
  const made = `visitor-${unique()}`;
  storage.setItem("parley.visitor", made);
  return made;
}

// forget makes the next page another visitor, who finds nothing of this one.
export function forget(who) {
  for (const key of keys(`${PREFIX}.${who}.`)) storage.removeItem(key);
  storage.removeItem("parley.visitor");
}

function keys(prefix) {
  const found = [];
  for (let i = 0; i < storage.length; i++) {
    const key = storage.key(i);
    if (key.startsWith(prefix)) found.push(key);
  }
  return found;
}

export class Unsent {
  #who; #page = unique(); #list = []; #lastId = 0;

  // inherited(messages) hears of what pages that ended have left.
  constructor(who, inherited) {
    this.#who = who;
    const left = new Set(keys(`${PREFIX}.${who}.`).map((key) => key.split(".")[3]));
    const locks = navigator.locks; // missing outside secure contexts
    locks?.request(this.#lock(this.#page), () => new Promise(() => {}));
    for (const page of left) {
      if (!locks) this.#inherit(page);
      else locks.request(this.#lock(page), () => inherited(this.#inherit(page)));
    }
  }

  // list is in the order of writing.
  list() { return this.#list; }

  // write takes a message and gives it its id. shown is what people see of it.
  write(body, shown) {
    const id = Math.max(Date.now(), this.#lastId + 1);
    return this.#add({ id, body, shown: shown === body ? undefined : shown });
  }

  #add(message) {
    this.#lastId = Math.max(this.#lastId, message.id);
    this.#list.push(message);
    this.#list.sort((a, b) => a.id - b.id);
    try {
      storage.setItem(this.#key(this.#page, message.id), JSON.stringify(message));
    } catch { /* full: it is still sent, unless the page ends first */ }
    return message;
  }

  remove(id) {
    this.#list = this.#list.filter((m) => m.id !== id);
    storage.removeItem(this.#key(this.#page, id));
  }

  #lock(page) { return `${PREFIX}.${this.#who}.${page}`; }

  #key(page, id) { return `${this.#lock(page)}.${id}`; }

  #inherit(page) {
    const got = [];
    for (const key of keys(`${this.#lock(page)}.`)) {
      const text = storage.getItem(key);
      storage.removeItem(key);
      try {
        const m = JSON.parse(text);
        if (typeof m.id !== "number" || typeof m.body !== "string") continue;
        got.push(this.#add(m));
      } catch { /* not ours */ }
    }
    return got.sort((a, b) => a.id - b.id);
  }
}
