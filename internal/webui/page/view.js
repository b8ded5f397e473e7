// Draws entries. Text of others becomes DOM nodes, never markup: nothing an
// assistant says can run here or load anything from elsewhere.

const INLINE = /(`[^`\n]+`)|\*\*([^*\n]+)\*\*|\*([^*\n]+)\*|\[([^\]\n]+)\]\(([^)\s]+)\)|(https?:\/\/[^\s<>"')\]]+)/g;

function link(text, address) {
  let url;
  try { url = new URL(address, location.href); } catch { return document.createTextNode(text); }
  if (!["http:", "https:", "mailto:", "tel:"].includes(url.protocol)) return document.createTextNode(text);
  const a = document.createElement("a");
  a.href = url.href;
  a.textContent = text;
  a.target = "_blank";
  a.rel = "noopener noreferrer";
  return a;
}

function element(name, text) {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}

function inline(parent, text) {
  let done = 0;
  for (const m of text.matchAll(INLINE)) {
    parent.append(text.slice(done, m.index));
    if (m[1]) parent.append(element("code", m[1].slice(1, -1)));
    else if (m[2]) parent.append(element("strong", m[2]));
    else if (m[3]) parent.append(element("em", m[3]));
    else if (m[4]) parent.append(link(m[4], m[5]));
    else parent.append(link(m[6], m[6]));
    done = m.index + m[0].length;
  }
  parent.append(text.slice(done));
}

// markdown draws paragraphs, lists, fenced code and the usual inline marks.
export function markdown(text) {
  const out = document.createDocumentFragment();
  for (const [i, part] of text.split(/^```[^\n]*\n?/m).entries()) {
    if (i % 2) {
      const pre = document.createElement("pre");
      pre.append(element("code", part.replace(/\n$/, "")));
      out.append(pre);
      continue;
    }
    for (const block of part.split(/\n{2,}/)) {
      if (!block.trim()) continue;
      const lines = block.trim().split("\n");
      const list = lines.every((l) => /^\s*([-*]|\d+\.)\s+/.test(l));
      const holder = document.createElement(list ? (/^\s*\d/.test(lines[0]) ? "ol" : "ul") : "p");
      lines.forEach((l, n) => {
        if (list) {
          const item = document.createElement("li");
          inline(item, l.replace(/^\s*([-*]|\d+\.)\s+/, ""));
          holder.append(item);
        } else {
          if (n) holder.append(document.createElement("br"));
          inline(holder, l);
        }
      });
      out.append(holder);
    }
  }
  return out;
}

// options draws buttons; press(value, title) is called for those that answer.
function options(list, press, quick) {
  const row = document.createElement("div");
  row.className = quick ? "options quick" : "options";
  for (const o of list ?? []) {
    if (o.url) {
      const a = link(o.title, o.url);
      if (a.nodeType === Node.ELEMENT_NODE) row.append(a);
      continue;
    }
    const b = element("button", o.title);
    b.type = "button";
    b.addEventListener("click", () => press(o.payload ?? o.value ?? o.title, o.title));
    row.append(b);
  }
  return row;
}

function image(url, alt) {
  let own;
  try { own = new URL(url, location.href); } catch { return document.createTextNode(alt || String(url)); }
  if (own.origin === location.origin || own.protocol === "data:") {
    const img = document.createElement("img");
    img.src = own.href;
    img.alt = alt ?? "";
    return img;
  }
  return link(alt || url, url); // pages here load nothing from other servers
}

// component draws the content of a bot_response or of a history item.
export function component(part, press) {
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  const outer = part?.payload ?? {};
  if (part?.type === "text" || part?.type === "error") bubble.append(markdown(outer.text ?? ""));
  else if (part?.type === "image") bubble.append(image((outer.payload ?? outer).url, outer.text));
  else bubble.append(template(outer.payload ?? outer, press));
  return bubble;
}

function template(t, press) {
  const out = document.createDocumentFragment();
  if (t.text) out.append(markdown(t.text));
  for (const e of t.elements ?? []) {
    const card = document.createElement("div");
    card.className = "card";
    if (e.image_url) card.append(image(e.image_url, e.title));
    card.append(element("strong", e.title ?? ""));
    if (e.subtitle) card.append(element("p", e.subtitle));
    if (e.buttons?.length) card.append(options(e.buttons, press));
    out.append(card);
  }
  if (t.buttons?.length) out.append(options(t.buttons, press));
  if (t.quick_replies?.length) out.append(options(t.quick_replies, press, true));
  return out;
}
