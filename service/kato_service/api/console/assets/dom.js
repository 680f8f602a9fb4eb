// Makes nodes. What users taught is text: nothing is ever parsed as markup, and sizes are set through
// the CSSOM, so that the page runs without inline styles.

export const $ = selector => document.querySelector(selector);

function filled(node, props, kids) {
  for (const [name, value] of Object.entries(props || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "w") node.style.width = value;
    else if (name === "top") node.style.top = value;
    else if (name === "height" && node instanceof HTMLElement) node.style.height = value;
    else if (name === "value") node.value = value;
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...kids.flat(Infinity).filter(kid => kid != null && kid !== false));
  return node;
}

/** An element: `h("li.row.on", {id: "r1"}, "text", other)`. */
export function h(tag, props, ...kids) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name || "div");
  if (classes.length) node.className = classes.join(" ");
  return filled(node, props, kids);
}

/** The same for SVG. */
export function s(tag, props, ...kids) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), props, kids);
}

/** Put *kids* in the place of what *node* holds; the focus stays on the element with the same id. */
export function fill(node, ...kids) {
  const held = node.contains(document.activeElement) ? document.activeElement.id : "";
  node.replaceChildren(...kids.flat(Infinity).filter(kid => kid != null && kid !== false));
  if (held && document.activeElement?.id !== held) document.getElementById(held)?.focus({preventScroll: true});
}

/** Say *text* to those who cannot see the page. */
export function say(text) {
  $("#say").textContent = text;
}

/** A number with thin spaces between thousands. */
export function thousands(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

export function plural(count, word) {
  return `${thousands(count)} ${word}${count === 1 ? "" : "s"}`;
}

/** A time, as how long ago it was. */
export function ago(when) {
  const seconds = Math.max(0, (Date.now() - Date.parse(when)) / 1000);
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return "now";
}

/** At most one call of *act* per *wait* milliseconds, with the last arguments. */
export function calmly(act, wait) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...args), wait);
  };
}
