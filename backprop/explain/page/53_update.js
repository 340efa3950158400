// The optimizer's next step: from the gradient through the moments to the new number.

const HYPER_PARAMETER_SIGNS = { learning_rate: "learning rate", beta_1: "β₁", beta_2: "β₂", epsilon: "ε", momentum: "momentum", l2: "λ (l2)", epsilon_hat: "ε̂" };

function updateView() {
  const { trace } = state;
  const parameter = chosenParameter();
  const own = trace.layers[parameter.layer];
  const { optimizer } = trace;
  const value = parameterAt(own, parameter);
  const step = parameterAt(own.step, parameter);
  const rows = [["gradient", number(parameterAt(own.gradient, parameter))]];
  if (optimizer.decay && parameter.from !== BIAS) {
    rows.push(["weight decay, λ/Σs w", h("span", { id: "decay" }, number(optimizer.decay * value))]);
  }
  const names = trace.moments[1] ? ["first moment, before the step", "second moment, before the step"] : ["velocity, before the step"];
  trace.moments.forEach((moment, place) => {
    if (moment) rows.push([names[place], number(parameterAt(moment[parameter.layer], parameter))]);
  });
  rows.push(["now", number(value)], ["step", h("span", { id: "step" }, number(step))], ["after the step", number(value + step)]);
  const settings = Object.entries(optimizer.hyper_parameters).map(([name, setting]) => [HYPER_PARAMETER_SIGNS[name] ?? name, String(setting)]);
  return [
    h("h2", null, `The next step of ${optimizer.name}`),
    h("p", { class: "lead" }, `Here for the ${trace.parameterName(parameter)}. Step number ${optimizer.t}.`),
    h("p", { class: "formula" }, optimizer.formula),
    table("From the gradient to the new number", ["", "value"], rows),
    table("The optimizer’s settings", ["", "value"], settings),
    h("h3", null, "All parameters take their step at once"),
    table("The cost of this batch", ["", "cost"], [["before", number(trace.cost)], ["after", number(trace.costAfterStep)], ["change", number(trace.costAfterStep - trace.cost)]]),
  ];
}
