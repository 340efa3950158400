// Elements of the page. What comes from a trace is only ever made into text, never into markup.

/** An element. Properties that begin with "on" are listeners, the others are attributes. */
function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

const SVG = "http://www.w3.org/2000/svg";

function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const SUPERSCRIPTS = { "−": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** As a precision: every digit that it takes to tell a number from its neighbours. */
const ALL_DIGITS = Infinity;

/** A number's mantissa and its power of ten, which most have not. Six digits: enough to compare, few enough to read. */
function scientific(value, precision = 6) {
  if (!Number.isFinite(value)) return [String(value).replace("Infinity", "∞").replace("-", "−")];
  if (value === 0) return ["0"];
  const size = Math.abs(value);
  const places = precision === ALL_DIGITS ? [] : [precision];
  const text =
    size < 1e-4 || size >= 1e6
      ? value.toExponential(...places.map((place) => place - 1)).replace(/\.?0+e/, "e").replace("e+", "e")
      : value.toPrecision(...places).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  return text.replaceAll("-", "−").split("e");
}

function digits(value, precision) {
  const [mantissa, exponent] = scientific(value, precision);
  return exponent ? `${mantissa} × 10${[...exponent].map((sign) => SUPERSCRIPTS[sign]).join("")}` : mantissa;
}

/** A number in its kind's colour; all its digits are in its title, or shown where the reader asks for them. */
function number(value, kind, precision) {
  const exact = String(value);
  const properties = { class: kind ? `number kind-${kind}` : "number", title: exact, "data-value": exact };
  return h("span", properties, digits(value, state.hasAllDigits ? ALL_DIGITS : precision));
}

/** Between two terms; the spaces beside it are where a line may break. */
function sign(text) {
  return [" ", h("span", { class: "sign" }, text), " "];
}

/** A term or a factor: in brackets where a sign before it would meet its own. */
function term(value, kind, precision) {
  const shown = number(value, kind, precision);
  return value < 0 ? h("span", { class: "term" }, "(", shown, ")") : shown;
}

/** What signs part, such as the terms of a sum. */
function joined(text, elements) {
  return elements.map((element, place) => (place ? [sign(text), element] : [element]));
}

/** A table that scrolls by itself, under its caption, where it is wider than the page; a row's first cell is its heading. */
function table(caption, headings, rows) {
  const head = h("tr", null, headings.map((heading) => h("th", { scope: "col" }, heading)));
  const body = rows.map(([first, ...cells]) =>
    h("tr", null, h("th", { scope: "row" }, first), cells.map((cell) => h("td", null, cell))));
  const rowsAndHead = h("table", { "aria-label": caption }, h("thead", null, head), h("tbody", null, body));
  return h(
    "div",
    { class: "table" },
    h("p", { class: "caption", "aria-hidden": "true" }, caption),
    h("div", { class: "table-scroll", role: "region", tabindex: "0", "aria-label": caption }, rowsAndHead),
  );
}

/** A button whose `key` lets the focus come back to it when its view is drawn again. */
function button(key, label, onclick, properties) {
  return h("button", { type: "button", "data-key": key, onclick, ...properties }, label);
}

/** Replaces what an element holds; the focus stays on the element with the same key, else on the whole. */
function redraw(element, ...children) {
  const focused = document.activeElement;
  const hasFocus = focused !== element && element.contains(focused);
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (!hasFocus) return;
  const { key } = focused.dataset;
  const successor = key && element.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (successor) successor.focus({ preventScroll: true });
  else if (element.tabIndex >= 0) focusWhole(element);
}

/** Where a link led to something else: to its start, in case that was scrolled out of sight. */
function focusWhole(element) {
  if (element.getBoundingClientRect().top < 0) element.scrollIntoView({ block: "start" });
  element.focus({ preventScroll: true });
}

function announce(text) {
  document.getElementById("announcer").textContent = text;
}
