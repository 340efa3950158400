// The optimizer's next step: from the gradient through the moments to the new number, one assignment
// after another.

/** One assignment: what is set, by which formula, the same with numbers (null: it is one number), and what comes out. */
function assignment({ title, target, formula: tree }, values, put) {
  const result = evaluated(tree, values);
  return {
    name: target.symbol, title, target: put(target), symbols: formulaElement(tree, put),
    numbers: formulaInNumbers(tree, values), result,
  };
}

/** The gradient by the chain rule; where the first rule changes it, in one line with that. */
function gradientAssignment(parameter, values, first) {
  const gradient = partial(mi("C"), parameterSymbol(parameter));
  if (first?.target.symbol !== "g") {
    return { name: "g", title: "The gradient", target: mi("g"), symbols: gradient, numbers: null, result: values.g };
  }
  const put = (symbol) => (symbol.symbol === "g" ? gradient : symbolElement(symbol));
  return { ...assignment(first, values, put), target: mi("g") };
}

/** What the letters stand for before the step: {symbol: number}. */
function valuesBefore(trace, parameter) {
  const own = trace.layers[parameter.layer];
  const { settings, moments } = trace.optimizer;
  return {
    factor: own.ownRate?.factor,
    ...Object.fromEntries(settings.map(({ symbol, value }) => [symbol.symbol, value])),
    ...Object.fromEntries(moments.map(([symbol, layers]) => [symbol, parameterAt(layers[parameter.layer], parameter)])),
    g: parameterAt(own.gradient, parameter),
    w: parameterAt(own, parameter),
    ...own.limit?.units[parameter.to],
  };
}

function letterOf(trace, parameter) {
  if (isLearned(parameter)) return trace.learnedAs(parameter).sign;
  return parameter.from === BIAS ? "b" : "w";
}

/** Each reads what those before it have set. */
function assignmentsOf(trace, parameter) {
  const values = valuesBefore(trace, parameter);
  const { limit, frozen, ownRate } = trace.layers[parameter.layer];
  const put = (symbol) => (symbol.symbol === "w" ? mi(letterOf(trace, parameter)) : symbolElement(symbol));
  if (frozen) return [gradientAssignment(parameter, values), assignment(frozen, values, put)];
  const decays = isWeight(parameter) ? trace.optimizer.decay_rules : []; // for weights alone
  const before = [...trace.optimizer.clip_rules, ...decays];
  const found = [gradientAssignment(parameter, values, before[0])];
  values.g = found[0].result;
  const others = before[0]?.target.symbol === "g" ? before.slice(1) : before;
  const limits = limit && isWeight(parameter) ? [limit.rule] : [];
  for (const rule of [...(ownRate ? [ownRate.rule] : []), ...others, ...trace.optimizer.rules, ...limits]) {
    const next = assignment(rule, values, put);
    values[next.name] = next.result;
    found.push(next);
  }
  return found;
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
  const rows = optimizer.settings.map(({ symbol, meaning, value }) => [math(symbolElement(symbol)), meaning, number(value)]);
  return table("The letters", ["", "", "value"], rows);
}

function updateView() {
  const { trace } = state;
  const parameter = chosenParameter();
  const own = trace.layers[parameter.layer];
  const value = parameterAt(own, parameter);
  const step = parameterAt(own.step, parameter);
  return [
    h("h2", null, `The next step of ${trace.optimizer.name}`),
    h("p", { class: "lead" }, `Here for the ${trace.parameterName(parameter)}. Step ${trace.optimizer.t}.${own.frozen ? " Its layer is frozen: the gradient is there, but no step follows it." : ""}`),
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
