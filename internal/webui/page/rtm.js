// A small client of the RTM API. What was not acknowledged is sent again, under
// the same id, on every new socket: the server drops repeats.

const ACK_WITHIN = 10_000;
const PONG_WITHIN = 10_000;
const PING_EVERY = 25_000;
const DRAIN_WITHIN = 5_000;
const RETRY_FIRST = 500;
const RETRY_LAST = 15_000;
// The server takes 100 unacknowledged messages of one person.
const AHEAD = 20;

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  // A refusal that waiting does not cure.
  get final() { return this.status === 403 || this.status === 404; }
}

// Client tells of what happens by the events state (connecting, open, away or
// refused, with a reason), acknowledged, bot_response, user_message and typing.
export class Client extends EventTarget {
  #jwt; #bot; #unsent; #catchUp;
  #token = null; #socket = null; #opened = false; #stopped = false;
  #connecting = false; #waiting = new Set(); #upTo = 0; #drained = null;
  #failures = 0; #retryTimer; #ackTimer; #pingTimer; #pongTimer;

  // jwt resolves to a fresh JWT; unsent keeps what was not acknowledged;
  // catchUp runs on every new socket, when all older messages have arrived and
  // before newer ones are sent.
  constructor({ jwt, bot, unsent, catchUp }) {
    super();
    this.#jwt = jwt;
    this.#bot = { chatBot: bot.name, taskBotId: bot.id };
    this.#unsent = unsent;
    this.#catchUp = catchUp;
    addEventListener("online", () => this.#connectNow());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#connectNow(); });
  }

  start() { this.#connect(); }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    this.#letGo();
  }

  // send sends what was put into the store, now or when there is a line.
  send() { this.#transmit(); }

  async history(offset, limit) {
    const query = new URLSearchParams({ botId: this.#bot.taskBotId, offset, limit });
    return this.#authorized("GET", `/api/botmessages/rtm?${query}`);
  }

  async #connect() {
    if (this.#stopped || this.#connecting) return;
    this.#connecting = true;
    this.#state("connecting");
    // A page that is loaded again does not want to be welcomed again.
    const how = this.#opened ? "isReconnect=true" : "ConnectionMode=Default";
    try {
      const { url } = await this.#authorized("POST", "/api/rtm/start", { botInfo: this.#bot, token: {} });
      if (!this.#stopped) this.#open(`${url}&${how}`);
    } catch (err) {
      this.#again(err);
    } finally {
      this.#connecting = false;
    }
  }

  #open(url) {
    const socket = this.#socket = new WebSocket(url);
    socket.onopen = () => this.#begin(socket);
    socket.onmessage = (event) => this.#frame(JSON.parse(event.data));
    socket.onclose = () => this.#lost(socket);
  }

  async #begin(socket) {
    this.#failures = 0;
    this.#opened = true;
    this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY);
    this.#upTo = this.#unsent.list().at(-1)?.id ?? 0;
    this.#transmit();
    await this.#drain();
    if (this.#socket !== socket) return;
    this.#state("open");
    try { await this.#catchUp(); } catch { /* the next socket tries again */ }
    if (this.#socket !== socket) return;
    this.#upTo = Infinity;
    this.#transmit();
  }

  // drain waits until everything that was transmitted is acknowledged, the
  // socket is lost or some seconds have passed.
  async #drain() {
    if (this.#waiting.size === 0) return;
    await new Promise((resolve) => {
      this.#drained = resolve;
      setTimeout(resolve, DRAIN_WITHIN);
    });
  }

  #letGo() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#pongTimer);
    clearInterval(this.#pingTimer);
    this.#waiting.clear();
    this.#drained?.();
    socket?.close();
  }

  #lost(socket) {
    if (this.#socket !== socket) return;
    this.#letGo();
    this.#again();
  }

  #again(err) {
    if (this.#stopped) return;
    const final = err instanceof Refused && err.final;
    const wait = final ? RETRY_LAST : Math.min(RETRY_LAST, RETRY_FIRST * 2 ** this.#failures++);
    this.#state(final ? "refused" : "away", err instanceof Refused ? err.message : undefined);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  #connectNow() {
    if (this.#socket) return this.#ping();
    if (this.#failures === 0) return;
    clearTimeout(this.#retryTimer);
    this.#failures = 0;
    this.#connect();
  }

  #transmit() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    for (const m of this.#unsent.list()) {
      if (this.#waiting.size >= AHEAD || m.id > this.#upTo) break;
      if (this.#waiting.has(m.id)) continue;
      this.#waiting.add(m.id);
      const message = m.shown === undefined ? { body: m.body } : { body: m.body, renderMsg: m.shown };
      this.#put({
        clientMessageId: m.id, id: m.id, resourceid: "/bot.message", message, botInfo: this.#bot, client: "sdk",
        meta: { timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, locale: navigator.language },
      });
    }
    this.#watch();
  }

  // watch gives up a line that looks open and takes nothing.
  #watch() {
    clearTimeout(this.#ackTimer);
    const socket = this.#socket;
    if (this.#waiting.size) this.#ackTimer = setTimeout(() => this.#lost(socket), ACK_WITHIN);
  }

  #ping() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const socket = this.#socket;
    this.#put({ type: "ping", resourceid: "/bot.message", botInfo: this.#bot, client: "sdk" });
    clearTimeout(this.#pongTimer);
    this.#pongTimer = setTimeout(() => this.#lost(socket), PONG_WITHIN);
  }

  #put(frame) { this.#socket.send(JSON.stringify(frame)); }

  #frame(frame) {
    clearTimeout(this.#pongTimer);
    switch (frame.type) {
      case "ack":
        this.#waiting.delete(frame.replyto);
        this.#unsent.remove(frame.replyto);
        if (this.#waiting.size === 0) this.#drained?.();
        this.#tell("acknowledged", { id: frame.replyto });
        this.#transmit();
        break;
      case "bot_response":
      case "user_message":
        this.#tell(frame.type, frame);
        break;
      case "events":
        if (frame.message?.type === "typing" || frame.message?.type === "stoptyping") {
          this.#tell("typing", { on: frame.message.type === "typing" });
        }
        break;
    }
  }

  // authorized calls with the access token, and once more with a new one when
  // it has run out.
  async #authorized(method, path, body) {
    for (let fresh = false; ; fresh = true) {
      if (!this.#token) {
        const assertion = await this.#jwt();
        const granted = await this.#call("POST", "/api/oAuth/token/jwtgrant", { assertion, botInfo: this.#bot, token: {} });
        this.#token = granted.authorization.accessToken;
        fresh = true;
      }
      try {
        return await this.#call(method, path, body, this.#token);
      } catch (err) {
        if (fresh || !(err instanceof Refused) || err.status !== 401) throw err;
        this.#token = null;
      }
    }
  }

  async #call(method, path, body, token) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `bearer ${token}`;
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    const json = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(json.errors?.[0]?.msg ?? `the server answered ${answer.status}`, answer.status);
    return json;
  }

  #state(state, why) { this.#tell("state", { state, why }); }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
