// The optimizer's next step: from the gradient through the moments to the new number, one assignment
// after another.

const rate = () => mi("lr");
const beta = (which) => m("msub", mi("β"), mn(which));
const hat = (name) => fill(m("mover", mi(name), mo("^")), { accent: "true" }, []);
const root = (...children) => m("msqrt", ...children);
const power = (base, exponent) => m("msup", base, exponent);
const fraction = (top, bottom) => m("mfrac", top, bottom);
const weightSum = () => mrow(fill(mi("Σ"), { mathvariant: "normal" }, []), mi("s"));
const less = (one, other) => mrow(one, mo("−"), other);
const times = (...factors) => mrow(...factors.flatMap((one, place) => (place ? [mo("·"), one] : [one])));
const plus = (one, other) => mrow(one, mo("+"), other);

/** One assignment: what is set, by which formula, the same with numbers (null: it is one number), and what comes out. */
function assignment(name, title, target, symbols, numbers, result) {
  return { name, title, target, symbols, numbers, result };
}

/** The gradient that the optimizer is given: weight decay is for weights alone. */
function decayed(trace, parameter, w) {
  const gradient = parameterAt(trace.layers[parameter.layer].gradient, parameter);
  const symbol = partial(mi("C"), parameterSymbol(parameter));
  const { decay, hyper_parameters: { l2 } } = trace.optimizer;
  if (!l2 || parameter.from === BIAS) {
    return assignment("g", "The gradient", mi("g"), symbol, null, gradient);
  }
  const share = fraction(mi("λ"), weightSum());
  const result = gradient + decay * w;
  return assignment("g", "The gradient, with weight decay", mi("g"), plus(symbol, times(share, mi("w"))),
    plus(numeral(gradient), times(fraction(decimal(l2), decimal(l2 / decay)), multiplied(w))), result);
}

/** w ← w − lr g */
function descent({ w, g, letter, learning_rate: lr }) {
  return [assignment("w", "The new number", letter(), less(letter(), times(rate(), mi("g"))),
    less(numeral(w), times(multiplied(lr), multiplied(g))), w - lr * g)];
}

/** v ← μ v − lr g, a decaying sum of the steps so far. */
function velocityOf({ g, moments: [v], learning_rate: lr, momentum }) {
  const result = momentum * v - lr * g;
  return assignment("v", "The velocity", mi("v"), less(times(mi("μ"), mi("v")), times(rate(), mi("g"))),
    less(times(multiplied(momentum), multiplied(v)), times(multiplied(lr), multiplied(g))), result);
}

function withMomentum(given) {
  const { w, letter } = given;
  const velocity = velocityOf(given);
  const v = velocity.result;
  return [velocity, assignment("w", "The new number", letter(), plus(letter(), mi("v")), plus(numeral(w), numeral(v)), w + v)];
}

/** Looks ahead: as if the velocity were applied once more. */
function withNesterov(given) {
  const { w, g, letter, learning_rate: lr, momentum } = given;
  const velocity = velocityOf(given);
  const v = velocity.result;
  return [velocity, assignment("w", "The new number", letter(),
    less(plus(letter(), times(mi("μ"), mi("v"))), times(rate(), mi("g"))),
    less(plus(numeral(w), times(multiplied(momentum), multiplied(v))), times(multiplied(lr), multiplied(g))),
    w + momentum * v - lr * g)];
}

/** Decaying means of the gradient and of its square. */
function adamMoments({ g, moments: [m1, m2], beta_1, beta_2 }) {
  const mean = (name, title, letter, which, old, b, symbol, numbers, value) =>
    assignment(name, title, mi(letter),
      plus(times(beta(which), mi(letter)), times(inBrackets(less(mn(1), beta(which))), symbol)),
      plus(times(multiplied(b), multiplied(old)), times(inBrackets(less(mn(1), numeral(b))), numbers)),
      b * old + (1 - b) * value);
  return [
    mean("m", "The first moment: a mean of gradients", "m", 1, m1, beta_1, mi("g"), multiplied(g), g),
    mean("v", "The second moment: a mean of their squares", "v", 2, m2, beta_2, power(mi("g"), mn(2)), power(multiplied(g), mn(2)), g * g),
  ];
}

/** The moments began at 0; divided by 1 − βᵗ they are no longer drawn towards it. */
function corrected(name, title, letter, which, moment, b, t) {
  return assignment(name, title, hat(letter), fraction(mi(letter), less(mn(1), power(beta(which), mi("t")))),
    fraction(decimal(moment), less(mn(1), power(multiplied(b), mn(t)))), moment / (1 - b ** t));
}

function adam(given) {
  const { w, letter, t, learning_rate: lr, beta_1, beta_2, epsilon } = given;
  const [m1, m2] = adamMoments(given);
  const mean = corrected("m hat", "The first, corrected", "m", 1, m1.result, beta_1, t);
  const square = corrected("v hat", "The second, corrected", "v", 2, m2.result, beta_2, t);
  const last = assignment("w", "The new number", letter(),
    less(letter(), times(rate(), fraction(hat("m"), plus(root(hat("v")), mi("ε"))))),
    less(numeral(w), times(multiplied(lr), fraction(decimal(mean.result), plus(root(decimal(square.result)), decimal(epsilon))))),
    w - (lr * mean.result) / (Math.sqrt(square.result) + epsilon));
  return [m1, m2, mean, square, last];
}

/** ε is added before the correction, which the learning rate takes on. */
function adamHat(given) {
  const { w, letter, t, learning_rate: lr, beta_1, beta_2, epsilon } = given;
  const [m1, m2] = adamMoments(given);
  const rest = (which) => less(mn(1), power(beta(which), mi("t")));
  const restOf = (b) => less(mn(1), power(multiplied(b), mn(t)));
  const own = (lr * Math.sqrt(1 - beta_2 ** t)) / (1 - beta_1 ** t);
  const step = assignment("rate", "The learning rate, corrected", hat("lr"), times(rate(), fraction(root(rest(2)), rest(1))),
    times(multiplied(lr), fraction(root(restOf(beta_2)), restOf(beta_1))), own);
  const last = assignment("w", "The new number", letter(),
    less(letter(), times(hat("lr"), fraction(mi("m"), plus(root(mi("v")), mi("ε"))))),
    less(numeral(w), times(multiplied(own), fraction(decimal(m1.result), plus(root(decimal(m2.result)), decimal(epsilon))))),
    w - (own * m1.result) / (Math.sqrt(m2.result) + epsilon));
  return [m1, m2, step, last];
}

const RULES = { sgd: descent, momentum: withMomentum, nesterov: withNesterov, adam, adamHat };

function assignmentsOf(trace, parameter) {
  const { kind, t, hyper_parameters } = trace.optimizer;
  const w = parameterAt(trace.layers[parameter.layer], parameter);
  const gradient = decayed(trace, parameter, w);
  const moments = trace.moments.map((moment) => moment && parameterAt(moment[parameter.layer], parameter));
  const letter = () => mi(parameter.from === BIAS ? "b" : "w");
  return [gradient, ...RULES[kind]({ ...hyper_parameters, w, g: gradient.result, moments, t, letter })];
}

/** Where a line is too short for all of it, it breaks before an equals sign. */
function assignmentElement({ name, title, target, symbols, numbers, result }) {
  return h(
    "li",
    { class: "assignment", "data-row": name },
    h("span", { class: "note" }, title),
    h("div", { class: "equation" },
      largeMath(target, mo("←"), symbols), " ", numbers && largeMath(mo("="), numbers), " ", h("span", { class: "outcome" }, sign("="), number(result))),
  );
}

/** What the letters of the assignments stand for. */
function settingsTable({ optimizer }) {
  const { learning_rate, momentum, beta_1, beta_2, epsilon, l2 } = optimizer.hyper_parameters;
  const isAdam = beta_1 !== undefined;
  const rows = [[math(rate()), "learning rate", learning_rate]];
  if (momentum) rows.push([math(mi("μ")), "momentum", momentum]);
  if (isAdam) {
    rows.push([math(beta(1)), "decay of the first moment", beta_1], [math(beta(2)), "decay of the second", beta_2]);
    rows.push([math(mi("ε")), optimizer.kind === "adamHat" ? "added before the correction, against division by 0" : "against division by 0", epsilon]);
    rows.push([math(mi("t")), "this step’s number, from 1", optimizer.t]);
  }
  if (l2) rows.push([math(mi("λ")), "weight decay, l2", l2], [math(weightSum()), "the sum of the samples’ weights", l2 / optimizer.decay]);
  return table("The letters", ["", "", "value"], rows.map(([symbol, meaning, value]) => [symbol, meaning, number(value)]));
}

function updateView() {
  const { trace } = state;
  const parameter = chosenParameter();
  const own = trace.layers[parameter.layer];
  const value = parameterAt(own, parameter);
  const step = parameterAt(own.step, parameter);
  return [
    h("h2", null, `The next step of ${trace.optimizer.name}`),
    h("p", { class: "lead" }, `Here for the ${trace.parameterName(parameter)}. Step ${trace.optimizer.t}.`),
    h("ol", { class: "assignments" }, assignmentsOf(trace, parameter).map(assignmentElement)),
    table("As the core takes the step", ["", "value"], [
      ["before", h("span", { id: "old-value" }, number(value))],
      ["step", h("span", { id: "step" }, number(step))],
      ["after", h("span", { id: "new-value" }, number(value + step))],
    ]),
    trace.dtype === "float32" ? h("p", { class: "note" }, "The core works in float32, this page in float64: their last digits may differ.") : null,
    settingsTable(trace),
    h("h3", null, "All parameters take their step at once"),
    table("The cost of this batch", ["", "cost"], [
      ["before", h("span", { id: "cost-before" }, number(trace.cost))],
      ["after", h("span", { id: "cost-after" }, number(trace.costAfterStep))],
      ["change", h("span", { id: "cost-change" }, number(trace.costAfterStep - trace.cost))],
    ]),
  ];
}
