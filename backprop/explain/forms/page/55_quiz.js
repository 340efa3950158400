// A quiz: which factor comes next on the way back from the loss?

const MOST_OPTIONS = 4;
const NO_PRODUCT = 1e-12;

/** Numbers that look random and are the same at every opening (mulberry32). */
function randomNumbers(seed) {
  let s = seed;
  return () => {
    s = (s + 0x6d2b79f5) | 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const random = randomNumbers(20);
const randomBelow = (count) => Math.floor(random() * count);

function shuffled(list) {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomBelow(i + 1);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

/** A question about one path of a parameter, on one sample. */
function questionOf(trace, sample, parameter, way) {
  const question = {
    trace, sample, parameter,
    path: pathFactors(trace, sample, parameter, way),
    found: 0, feedback: null, tried: false,
  };
  question.options = optionsOf(question);
  return question;
}

function isAskable({ path }) {
  return Math.abs(path.product) > NO_PRODUCT;
}

/** The largest path of a parameter; of grouped ones, through the largest group and on through the largest term of each sum. */
function largestWay(trace, sample, parameter) {
  const way = [...chainOf(trace, sample, parameter).largest.way];
  for (let layer = parameter.layer + way.length; layer <= trace.last; layer++) {
    const { dz, da, weights, units, residual } = trace.layers[layer];
    const { unit } = way[way.length - 1];
    const terms = Array.from({ length: units }, (_, next) => weights.at(unit, next) * dz.at(sample, next));
    if (residual) terms.push(da.at(sample, unit));
    const [place] = largest(terms, 1);
    way.push(place < units ? hop(place) : hop(unit, true));
  }
  return way;
}

/** About what is chosen, where that is a weight or a bias with something to multiply. */
function firstQuestion() {
  const { trace, chosen: { item, sample } } = state;
  if (item.kind !== "parameter") return newQuestion();
  const question = questionOf(trace, sample, item, largestWay(trace, sample, item));
  return isAskable(question) ? question : newQuestion();
}

/** A weight and a path whose product is not 0, where a few tries find one. */
function newQuestion() {
  const { trace } = state;
  let question;
  for (let tries = 0; tries < 50; tries++) {
    const layer = randomBelow(trace.layers.length);
    const { inputs, units } = trace.layers[layer];
    const parameter = { kind: "parameter", layer, from: randomBelow(inputs), to: randomBelow(units) };
    const way = [hop(parameter.to)];
    for (let next = layer + 1; next <= trace.last; next++) way.push(randomHop(trace.layers[next], way[way.length - 1]));
    question = questionOf(trace, randomBelow(trace.samples.count), parameter, way);
    if (isAskable(question)) break;
  }
  return question;
}

/** Into a layer: to one of its units, or by its straight road. */
function randomHop({ units, residual }, { unit }) {
  const place = randomBelow(units + (residual ? 1 : 0));
  return place < units ? hop(place) : hop(unit, true);
}

/** The same once more, on the numbers of another sample or epoch. */
function askOnSample(sample) {
  const { quiz, trace } = state;
  state.quiz = questionOf(trace, Math.min(sample, trace.samples.count - 1), quiz.parameter, quiz.path.way);
}

/** Begins the quiz where it has not begun; another epoch asks anew. */
function matchQuiz() {
  const { quiz, trace } = state;
  if (quiz === null) state.quiz = firstQuestion();
  else if (quiz.trace !== trace) askOnSample(quiz.sample);
}

/** The right factor and some wrong ones, each with the reason why it is wrong. */
function optionsOf(question) {
  const { path, found, parameter, sample } = question;
  const { factors } = path;
  const { layer, to } = parameter;
  const own = question.trace.layers[layer];
  const right = { ...factors[found], isRight: true };
  const wrong = factors.slice(found + 1).filter(({ kind }) => kind !== right.kind).map((other) => ({
    ...other,
    why: `That ${KINDS[other.kind].label} is a factor, but not the next one: the derivative comes back from the loss, step by step.`,
  }));
  const also = (symbol, value, why) => wrong.push({ symbol, value, why });
  if (right.kind === "loss") {
    const symbol = right.symbol;
    also(() => mrow(mo("−"), symbol()), -right.value, `The sign is wrong: the loss’s derivative by the output is ${state.trace.lossFunction.derivative_formula}.`);
  }
  also(() => indexed("z", layer, to), own.z.at(sample, to), "That is the pre-activation itself; the chain rule takes the derivative of the activation there.");
  const isBias = parameter.from === BIAS;
  also(() => parameterSymbol(parameter), parameterAt(own, parameter), whyNotItself(parameter));
  if (right.kind !== "input" && !isBias && own.bias) {
    also(() => indexed("b", layer, to), own.bias.at(0, to), "A bias is added, so that it drops out of the derivative.");
  }
  return shuffled([right, ...shuffled(wrong).slice(0, MOST_OPTIONS - 1)]);
}

function whyNotItself(parameter) {
  if (isLearned(parameter)) return "That is the number itself, by which the derivative is taken.";
  return parameter.from === BIAS
    ? "That is the bias itself. It is added, so that the derivative by it is 1: the bias does not appear."
    : "That is the weight itself. The derivative of w · x by w is x: the weight does not appear.";
}

function answer(option) {
  const { quiz } = state;
  if (option.isTried) return;
  if (!quiz.tried) state.score.asked += 1;
  if (!option.isRight) {
    quiz.tried = option.isTried = true;
    quiz.feedback = { isRight: false, text: `Not this one. ${option.why}` };
  } else {
    goOn(quiz, option);
  }
  update({});
  announce(quiz.feedback.text);
  document.querySelector('#panel .option:not([aria-disabled="true"]), #panel .again').focus({ preventScroll: true });
}

function goOn(quiz, { kind }) {
  if (!quiz.tried) state.score.right += 1;
  quiz.found += 1;
  quiz.tried = false;
  const isDone = quiz.found === quiz.path.factors.length;
  quiz.feedback = { isRight: true, text: isDone ? "Right: that was the last factor." : `Right: the ${KINDS[kind].label}.` };
  if (!isDone) quiz.options = optionsOf(quiz);
}

function foundSoFar({ path, found }) {
  const chips = joined("×", path.factors.slice(0, found).map(chip));
  if (found === path.factors.length) {
    return [...chips, h("span", { class: "chain-result" }, sign("="), number(path.product))];
  }
  return [...chips, found ? sign("×") : null, h("span", { class: "chip chip-open" }, "?")];
}

function optionElement(option, place) {
  const { isTried } = option;
  const label = [isTried ? "✗ " : null, largeMath(option.symbol()), " = ", digits(option.value), isTried ? h("span", { class: "for-ears" }, ", tried: not this one") : null];
  return h("li", null, button(`option ${place}`, label, () => answer(option), {
    class: isTried ? "option tried" : "option", "aria-disabled": isTried ? "true" : null,
  }));
}

function feedbackElement({ isRight, text }) {
  return h("p", { class: isRight ? "feedback right" : "feedback wrong", id: "feedback" }, isRight ? "✓ " : "✗ ", text);
}

function quizView() {
  const { quiz, score, trace } = state;
  const isDone = quiz.found === quiz.path.factors.length;
  const isOneOfMany = countPaths(trace, quiz.parameter) > 1;
  const askAgain = () => update({ quiz: newQuestion() });
  return [
    h("h2", null, "Which factor comes next?"),
    h("p", { class: "lead" }, `The ${trace.parameterName(quiz.parameter)}, sample ${trace.samples.numbers[quiz.sample]}`, isOneOfMany ? `, along the path ${wayText(trace, quiz.parameter, quiz.path)}` : "", ". Build the product from the loss backward."),
    h("div", { class: "chain", id: "found" }, largeMath(partial(derived(), parameterSymbol(quiz.parameter)), "="), isOneOfMany ? sign("… +") : null, foundSoFar(quiz), isOneOfMany ? sign("+ …") : null),
    isDone ? null : h("ul", { class: "options", "aria-label": "Choices" }, quiz.options.map(optionElement)),
    quiz.feedback ? feedbackElement(quiz.feedback) : null,
    h("p", null, button("again", isDone ? "Another weight" : "Skip to another weight", askAgain, { class: isDone ? "again primary" : "again quiet" })),
    h("p", { class: "note", id: "score" }, `${score.right} of ${score.asked} at the first try.`),
  ];
}
