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

/** A weight and a path whose product is not 0, where a few tries find one. */
function newQuestion() {
  const { trace } = state;
  let question;
  for (let tries = 0; tries < 50; tries++) {
    const layer = randomBelow(trace.layers.length);
    const { inputs, units } = trace.layers[layer];
    const parameter = { kind: "parameter", layer, from: randomBelow(inputs), to: randomBelow(units) };
    const way = [parameter.to];
    for (let next = layer + 1; next <= trace.last; next++) way.push(randomBelow(trace.units(next)));
    const sample = randomBelow(trace.samples.count);
    question = { parameter, sample, path: pathFactors(trace, sample, parameter, way) };
    if (Math.abs(question.path.product) > NO_PRODUCT) break;
  }
  return { ...question, trace, found: 0, feedback: null, tried: false };
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
    also(() => mrow(mo("−"), symbol()), -right.value, "The sign is wrong: the loss’s derivative by the output is a − y (p − y), not y − a.");
  }
  also(() => indexed("z", layer, to), own.z.at(sample, to), "That is the pre-activation itself; the chain rule takes the derivative of the activation there.");
  also(() => parameterSymbol(parameter), parameterAt(own, parameter), "That is the weight itself. The derivative of w · x by w is x: the weight does not appear.");
  if (right.kind !== "input") {
    also(() => indexed("b", layer, to), own.bias.at(0, to), "A bias is added, so that it drops out of the derivative.");
  }
  return shuffled([right, ...shuffled(wrong).slice(0, MOST_OPTIONS - 1)]);
}

function askAgain() {
  const question = newQuestion();
  question.options = optionsOf(question);
  return question;
}

function answer(option) {
  const { quiz } = state;
  if (!quiz.tried) state.score.asked += 1;
  if (!option.isRight) {
    quiz.tried = true;
    quiz.feedback = { isRight: false, text: `Not this one. ${option.why}` };
  } else {
    if (!quiz.tried) state.score.right += 1;
    quiz.found += 1;
    quiz.tried = false;
    const isDone = quiz.found === quiz.path.factors.length;
    quiz.feedback = { isRight: true, text: isDone ? "Right: that was the last factor." : `Right: the ${KINDS[option.kind].label}.` };
    if (!isDone) quiz.options = optionsOf(quiz);
  }
  update({});
  announce(quiz.feedback.text);
  document.querySelector("#panel .option, #panel .again").focus({ preventScroll: true });
}

function foundSoFar({ path, found }) {
  const chips = path.factors.slice(0, found).flatMap((part) => [chip(part), sign("×")]);
  if (found === path.factors.length) {
    return [...chips.slice(0, -1), h("span", { class: "chain-result" }, sign("="), number(path.product))];
  }
  return [...chips, h("span", { class: "chip chip-open" }, "?")];
}

function quizView() {
  state.quiz ??= askAgain();
  const { quiz, score, trace } = state;
  const isDone = quiz.found === quiz.path.factors.length;
  const way = wayText(quiz.trace, quiz.parameter, quiz.path);
  const isOneOfMany = quiz.path.units.length > 1;
  const options = quiz.options.map((option, place) =>
    h("li", null, button(`option ${place}`, [largeMath(option.symbol()), " = ", digits(option.value)], () => answer(option), { class: "option" })));
  return [
    h("h2", null, "Which factor comes next?"),
    h("p", { class: "lead" }, `The ${trace.parameterName(quiz.parameter)}, sample ${quiz.trace.samples.index[quiz.sample]}`, isOneOfMany ? `, along the path ${way}` : "", ". Build the product from the loss backward."),
    h("div", { class: "chain", id: "found" }, largeMath(partial(sampleLoss(), parameterSymbol(quiz.parameter)), "="), isOneOfMany ? sign("… +") : null, foundSoFar(quiz), isOneOfMany ? sign("+ …") : null),
    isDone ? null : h("ul", { class: "options", "aria-label": "Choices" }, options),
    quiz.feedback ? h("p", { class: quiz.feedback.isRight ? "feedback right" : "feedback wrong", id: "feedback" }, quiz.feedback.isRight ? "✓ " : "✗ ", quiz.feedback.text) : null,
    h("p", null, button("again", isDone ? "Another weight" : "Skip to another weight", () => update({ quiz: askAgain() }), { class: isDone ? "again primary" : "again quiet" })),
    h("p", { class: "note", id: "score" }, `${score.right} of ${score.asked} at the first try.`),
  ];
}
