// Formulas, in MathML.

const MATHML = "http://www.w3.org/1998/Math/MathML";

function m(tag, ...children) {
  return fill(document.createElementNS(MATHML, tag), null, children);
}

const mi = (text) => m("mi", text);
const mn = (text) => m("mn", String(text));
const mo = (text) => m("mo", text);
const mrow = (...children) => m("mrow", ...children);

/** Brackets that neither grow nor keep a distance, as around an index or an argument. */
function inBrackets(...children) {
  const bracket = (text) => fill(mo(text), { stretchy: "false", lspace: "0", rspace: "0" }, []);
  return mrow(bracket("("), ...children, bracket(")"));
}

/** Square brackets, around what a sum is over. */
function inSquareBrackets(...children) {
  const bracket = (text) => fill(mo(text), { stretchy: "false" }, []);
  return mrow(bracket("["), ...children, bracket("]"));
}

/** A number that stands alone in a formula. */
function decimal(value) {
  const [mantissa, exponent] = scientific(value);
  return exponent ? mrow(mn(mantissa), mo("×"), m("msup", mn(10), mn(exponent))) : mn(mantissa);
}

/** A term: below 0 in brackets, as an operator stands before it. */
function numeral(value) {
  return value < 0 ? inBrackets(decimal(value)) : decimal(value);
}

/** A factor, or the base of a power: with a power of ten of its own in brackets too. */
function multiplied(value) {
  return value < 0 || scientific(value).length > 1 ? inBrackets(decimal(value)) : decimal(value);
}

/** Symbols with an operator between each two. */
function between(operator, symbols) {
  return symbols.flatMap((symbol, place) => (place ? [mo(operator), symbol] : [symbol]));
}

/** A formula in its line: strings are operators. */
function math(...children) {
  return m("math", ...children.map((child) => (typeof child === "string" ? mo(child) : child)));
}

/** A formula in its line whose fractions are as large as on a line of their own. */
function largeMath(...children) {
  const element = math(...children);
  element.setAttribute("displaystyle", "true");
  return element;
}

/** A formula on a line of its own. */
function formula(...children) {
  const element = math(...children);
  element.setAttribute("display", "block");
  return h("div", { class: "formula" }, element);
}

/** The colour of one of the kinds of factor. */
function inKind(kind, element) {
  element.setAttribute("class", `kind-${kind}`);
  return element;
}

function space(width) {
  return fill(m("mspace"), { width }, []);
}

/** Between two formulas on one line. */
const gap = () => space("2em");

const log = () => mrow(space("0.15em"), mi("log"), space("0.15em"));

function subscript(indices) {
  const parts = indices.map((index) => (typeof index === "number" ? mn(index + 1) : mi(index)));
  return mrow(...parts.flatMap((part, place) => (place ? [mo(","), part] : [part])));
}

/** A letter, or an element, with its layer above and its units below: numbers count from 1, strings are letters. */
function indexed(letter, layer, ...indices) {
  const above = inBrackets(typeof layer === "number" ? mn(layer + 1) : mi(layer));
  const base = typeof letter === "string" ? mi(letter) : letter;
  return indices.length ? m("msubsup", base, subscript(indices), above) : m("msup", base, above);
}

function partial(top, bottom) {
  return m("mfrac", mrow(mo("∂"), top), mrow(mo("∂"), bottom));
}

const sampleLoss = () => mi("ℓ");

/** What the derivatives of a trace are of: a sample's loss, or the cost where a norm mixes samples. */
const derivedLetter = () => (state.trace.mixesSamples ? "C" : "ℓ");
const derived = () => mi(derivedLetter());

function sumOver(index) {
  return m("munder", mo("∑"), mi(index));
}

function parameterSymbol(parameter) {
  const { layer, from, to } = parameter;
  if (isLearned(parameter)) return indexed(state.trace.learnedAs(parameter).sign, layer, to);
  return from === BIAS ? indexed("b", layer, to) : indexed("w", layer, from, to);
}

/** What a layer's activation is applied to. */
function readByFSymbol(layer, unit) {
  return indexed(state.trace.layers[layer].norm ? "y" : "z", layer, unit);
}

/** f′(z) of a unit, or f′(y). */
function derivativeSymbol(layer, unit) {
  return mrow(mi("f"), mo("′"), inBrackets(readByFSymbol(layer, unit)));
}

/** Of a norm: one over the deviation, which is a unit's own or shared by all of them. */
function deviationSymbol(layer, unit) {
  return mrow(mn(1), mo("/"), indexed("σ", layer, ...ownIndex(layer, unit)));
}

/** The unit as an index of what a norm takes over the samples; none of what it takes over the units. */
function ownIndex(layer, unit) {
  return state.trace.layers[layer].norm.is_over_samples ? [unit] : [];
}

function meanSymbol(layer, unit) {
  return inBrackets(mo("−"), mi("mean"), partial(derived(), indexed("n", layer, ...ownIndex(layer, unit))));
}

function spreadSymbol(layer, unit) {
  const inside = indexed("n", layer, ...ownIndex(layer, unit));
  return inBrackets(mo("−"), indexed("n", layer, unit), mo("·"), mi("mean"), inBrackets(inside, mo("·"), partial(derived(), inside.cloneNode(true))));
}

/** A unit's a, or an input's x; of a sample, where its letter stands before the unit. */
function activationSymbol(layer, ...indices) {
  if (layer !== INPUTS) return indexed("a", layer, ...indices);
  return m("msub", mi("x"), subscript(indices));
}

/** What it hands on: ã or x̃ where the step drops some of it, or adds to it. */
function handedOnSymbol(layer, ...indices) {
  if (!state.trace.isChanged(layer)) return activationSymbol(layer, ...indices);
  const tilde = fill(m("mover", mi(layer === INPUTS ? "x" : "a"), mo("~")), { accent: "true" }, []);
  return layer === INPUTS ? m("msub", tilde, subscript(indices)) : indexed(tilde, layer, ...indices);
}

/** The mask of dropout at a unit. */
function maskSymbol(layer, unit) {
  return indexed("r", layer, unit);
}

/** What a parameter is multiplied with. */
function inputSymbol(parameter, ...sample) {
  const { layer, from, to } = parameter;
  if (isLearned(parameter)) return learnedInputSymbol(layer, from, ...sample, to);
  return from === BIAS ? mn(1) : handedOnSymbol(layer - 1, ...sample, from);
}

/** The derivative by what a unit learns of what that shapes. */
function learnedInputSymbol(layer, name, ...indices) {
  const { quantity, sign } = state.trace.learnedAs({ layer, from: name });
  if (quantity === "one") return mn(1);
  return quantity === "n" ? indexed("n", layer, ...indices) : partial(indexed("a", layer, ...indices), indexed(sign, layer, indices[indices.length - 1]));
}
