// The catalogue's formulas: a tree is a number, a symbol or a list [operation, operand, …].

/** The series of the error function, whose terms have one sign; from 6 on it is 1 to all digits. */
function erf(x) {
  if (Math.abs(x) >= 6) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

/** The operations that Math lacks. */
const OPERATIONS = {
  "+": (one, other) => one + other,
  "-": (one, other) => (other === undefined ? -one : one - other),
  "*": (one, other) => one * other,
  "/": (one, other) => one / other,
  "**": (base, exponent) => base ** exponent,
  ">": (one, other) => one > other,
  "<": (one, other) => one < other,
  ">=": (one, other) => one >= other,
  "<=": (one, other) => one <= other,
  "==": (one, other) => one === other,
  "!=": (one, other) => one !== other,
  where: (condition, one, other) => (condition ? one : other),
  erf,
};

/** What a formula is, where its symbols stand for these numbers. */
function evaluated(tree, values) {
  if (typeof tree === "number") return tree;
  if (!Array.isArray(tree)) return values[tree.symbol];
  const [operation, ...operands] = tree;
  return (OPERATIONS[operation] ?? Math[operation])(...operands.map((operand) => evaluated(operand, values)));
}

// How tightly a part of a formula holds together: brackets go around one that holds less tightly than its place asks for.
const CASES = 0;
const SUM = 2;
const APPLICATION = 3;
const PRODUCT = 4;
const POWER = 5;
const ATOM = 6;

/** A symbol as it is written: β₁, or m with a hat. */
function symbolElement({ letter, index, hat }) {
  const bare = hat ? fill(m("mover", mi(letter), mo("^")), { accent: "true" }, []) : mi(letter);
  return index ? m("msub", bare, /^\d+$/.test(index) ? mn(index) : mi(index)) : bare;
}

/** A number, in such brackets as its place asks for. */
function numberElement(value, level) {
  if (level < SUM) return decimal(value);
  return level < PRODUCT ? numeral(value) : multiplied(value);
}

/** A formula in MathML; `put` makes an element of a symbol, by default as it is written. */
function formulaElement(tree, put = symbolElement, level = CASES) {
  if (typeof tree === "number") return numberElement(tree, level);
  if (!Array.isArray(tree)) return put(tree, level);
  const [operation, ...operands] = tree;
  const write = (operand, asked = CASES) => formulaElement(operand, put, asked);
  const [own, element] = (NOTATIONS[operation] ?? functionCall)(write, operands, level, operation);
  return own < level ? inBrackets(element) : element;
}

/** The same with numbers for its symbols. */
function formulaInNumbers(tree, values) {
  return formulaElement(tree, ({ symbol }, level) => numberElement(values[symbol], level));
}

/** A sign between two operands. */
function infix(sign, own, right) {
  return (write, [one, other]) => [own, mrow(write(one, own), mo(sign), write(other, right))];
}

/** tanh z, or tanh(z) in a product. */
function functionCall(write, operands, level, name) {
  const isPlain = operands.length === 1 && !Array.isArray(operands[0]);
  if (isPlain && level <= APPLICATION) return [APPLICATION, mrow(mi(name), space("0.15em"), write(operands[0], POWER))];
  const parts = operands.flatMap((operand, place) => (place ? [mo(","), write(operand)] : [write(operand)]));
  return [ATOM, mrow(mi(name), inBrackets(...parts))];
}

const comparison = (sign) => infix(sign, SUM - 1, SUM);
const minus = infix("−", SUM, APPLICATION);
const times = infix("·", PRODUCT, POWER);

/** Of a product only the last factor is in the fraction. */
function quotient(write, [top, bottom]) {
  if (Array.isArray(top) && top[0] === "*") return times(write, [top[1], ["/", top[2], bottom]]);
  return [POWER, m("mfrac", write(top), write(bottom))];
}

/** {operation: (write, operands, level, operation) → [its own level, element]}; the others are called by their name. */
const NOTATIONS = {
  "+": infix("+", SUM, APPLICATION),
  "-": (write, operands) => (operands.length > 1 ? minus(write, operands) : [SUM, mrow(mo("−"), write(operands[0], APPLICATION))]),
  "*": times,
  "/": quotient,
  "**": (write, [base, exponent]) => [POWER, m("msup", write(base, ATOM), write(exponent))],
  ">": comparison(">"),
  "<": comparison("<"),
  ">=": comparison("≥"),
  "<=": comparison("≤"),
  "==": comparison("="),
  "!=": comparison("≠"),
  sqrt: (write, operands) => [ATOM, m("msqrt", write(operands[0]))],
  exp: (write, operands) => [POWER, m("msup", mi("e"), write(operands[0]))],
  expm1: (write, operands) => minus(write, [["exp", ...operands], 1]),
  log1p: (write, operands, level) => functionCall(write, [["+", 1, ...operands]], level, "log"),
  abs: (write, operands) => [ATOM, mrow(mo("|"), write(operands[0]), mo("|"))],
  where: (write, [condition, one, other]) => [
    CASES,
    mrow(write(one, SUM), space("0.5em"), m("mtext", "where"), space("0.5em"), write(condition), mo(","), space("0.3em"), m("mtext", "else"), space("0.5em"), write(other)),
  ],
};
