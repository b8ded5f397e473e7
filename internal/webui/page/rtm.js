// A small client of the RTM API. It keeps what was not acknowledged and sends
// it again, under the same id, after every reconnect: the server drops repeats.

const ACK_WITHIN = 10_000;
const RETRY_FIRST = 500;
const RETRY_LAST = 15_000;

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export class Client extends EventTarget {
  #jwt; #bot; #store; #token = null; #socket = null; #stopped = false;
  #queue; #lastId = 0; #failures = 0; #opened = false; #ackTimer = null; #retryTimer = null;

  // jwt() resolves to a fresh JWT; store keeps the queue over page loads.
  constructor({ jwt, bot, store }) {
    super();
    this.#jwt = jwt;
    this.#bot = { chatBot: bot.name, taskBotId: bot.id };
    this.#store = store;
    this.#queue = store.load();
    for (const m of this.#queue) this.#lastId = Math.max(this.#lastId, m.id);
    addEventListener("online", () => this.#connectNow());
  }

  get unsent() { return this.#queue.slice(); }

  start() { this.#connect(); }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#ackTimer);
    this.#socket?.close();
  }

  // send queues a message and returns its id.
  send(body, shown) {
    const id = this.#lastId = Math.max(Date.now(), this.#lastId + 1);
    const message = shown && shown !== body ? { body, renderMsg: shown } : { body };
    this.#queue.push({ id, message });
    this.#store.save(this.#queue);
    this.#transmit(this.#queue.at(-1));
    return id;
  }

  async history(offset, limit) {
    if (!this.#token) await this.#grant();
    const query = new URLSearchParams({ botId: this.#bot.taskBotId, offset, limit });
    return this.#call("GET", `/api/botmessages/rtm?${query}`);
  }

  async #connect() {
    try {
      this.#state("connecting");
      if (!this.#token) await this.#grant();
      const again = this.#opened ? "?isReconnect=true" : "";
      const { url } = await this.#call("POST", `/api/rtm/start${again}`, { botInfo: this.#bot, token: {} });
      if (this.#stopped) return;
      this.#open(this.#opened ? `${url}&isReconnect=true` : url);
    } catch (err) {
      if (err instanceof Refused && err.status === 401 && this.#token) {
        this.#token = null; // it ran out: a new grant cures it
        return this.#connect();
      }
      this.#again(err);
    }
  }

  #open(url) {
    const socket = this.#socket = new WebSocket(url);
    socket.onopen = () => {
      this.#failures = 0;
      this.#opened = true;
      this.#state("open");
      for (const m of this.#queue) this.#transmit(m);
    };
    socket.onmessage = (event) => this.#frame(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      clearTimeout(this.#ackTimer);
      this.#ackTimer = null;
      this.#again();
    };
  }

  #again(err) {
    if (this.#stopped) return;
    const wait = Math.min(RETRY_LAST, RETRY_FIRST * 2 ** this.#failures++) * (0.75 + Math.random() / 2);
    this.#state("away", err?.message);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), wait);
  }

  #connectNow() {
    if (this.#socket || this.#stopped) return;
    clearTimeout(this.#retryTimer);
    this.#failures = 0;
    this.#connect();
  }

  #transmit({ id, message }) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({
      clientMessageId: id, id, resourceid: "/bot.message", message, botInfo: this.#bot, client: "sdk",
      meta: { timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, locale: navigator.language },
    }));
    this.#ackTimer ??= setTimeout(() => {
      // The line looks open and is not: begin a new one.
      this.#ackTimer = null;
      this.#socket?.close();
    }, ACK_WITHIN);
  }

  #frame(frame) {
    switch (frame.type) {
      case "ack":
        this.#queue = this.#queue.filter((m) => m.id !== frame.replyto);
        this.#store.save(this.#queue);
        clearTimeout(this.#ackTimer);
        this.#ackTimer = null;
        this.#tell("acknowledged", { id: frame.replyto });
        break;
      case "bot_response":
      case "user_message":
        this.#tell(frame.type, frame);
        break;
      case "events":
        this.#tell("happened", frame.message ?? {});
        break;
    }
  }

  async #grant() {
    const assertion = await this.#jwt();
    const answer = await this.#call("POST", "/api/oAuth/token/jwtgrant", { assertion, botInfo: this.#bot, token: {} });
    this.#token = answer.authorization.accessToken;
  }

  async #call(method, path, body) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (this.#token) headers.Authorization = `bearer ${this.#token}`;
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    const json = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(json.errors?.[0]?.msg ?? `the server answered ${answer.status}`, answer.status);
    return json;
  }

  #state(state, why) { this.#tell("state", { state, why }); }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
