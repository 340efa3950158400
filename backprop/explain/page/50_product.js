// The product that makes a gradient, factor by factor; and what a unit works out.

const MOST_TERMS = 12;

function chip({ kind, symbol, value }) {
  const { mark, label } = KINDS[kind];
  return h(
    "span",
    { class: `chip chip-${kind}` },
    h("span", { class: "chip-kind" }, h("span", { "aria-hidden": "true" }, `${mark} `), label),
    largeMath(inKind(kind, symbol())),
    number(value, kind),
  );
}

function sign(text) {
  return h("span", { class: "sign" }, text);
}

/** One path's factors, and their product. */
function chainElement(path) {
  const chips = path.factors.flatMap((part, place) => (place ? [sign("×"), chip(part)] : [chip(part)]));
  return h(
    "div",
    { class: "chain" },
    chips,
    h("span", { class: "chain-result" }, sign("="), number(path.product)),
  );
}

function wayText(trace, parameter, { units }) {
  return units.map((unit, place) => trace.unitName(parameter.layer + place, unit)).join(" → ");
}

/** The formula of the whole, with the sum over paths where there are several. */
function chainFormula(trace, parameter) {
  const { layer, to } = parameter;
  const left = partial(sampleLoss(), parameterSymbol(parameter));
  const input = inKind("input", inputSymbol(parameter));
  const own = inKind("activation", derivativeSymbol(layer, to));
  if (layer === trace.last) {
    const loss = inKind("loss", partial(sampleLoss(), indexed("a", layer, to)));
    return formula(left, "=", loss, "·", own, "·", input);
  }
  const isOne = trace.units(layer + 1) === 1;
  const k = isOne ? 0 : "k";
  const weight = inKind("weight", indexed("w", layer + 1, to, k));
  const beyond = layer + 1 === trace.last
    ? mrow(inKind("loss", partial(sampleLoss(), indexed("a", layer + 1, k))), mo("·"), inKind("activation", derivativeSymbol(layer + 1, k)))
    : inKind("group", partial(sampleLoss(), indexed("z", layer + 1, k)));
  const upstream = mrow(beyond, mo("·"), weight);
  return formula(left, "=", isOne ? upstream : mrow(mo("("), sumOver("k"), upstream, mo(")")), "·", own, "·", input);
}

function pathsIntroduction(chain) {
  if (chain.count === 1) return "One path leads from here to the loss: the derivative is one product.";
  const all = `${chain.count.toLocaleString("en")} paths lead from here to the loss; the derivative is the sum of their products.`;
  if (chain.isGrouped) return `${all} They are grouped by the unit that they go through next; the first factor is the sum of all that lies beyond that unit.`;
  return chain.others ? `${all} The largest are listed.` : all;
}

/** The path's numbers on one line, each in its colour. */
function shortProduct(path) {
  const numbers = path.factors.map(({ kind, value }, place) => [place ? sign("×") : null, number(value, kind, 3)]);
  return h("span", { class: "short-product" }, numbers, sign("="), number(path.product, null, 3));
}

/** A single path in full; of several, the largest is open and the others open at a click. */
function pathElements(trace, parameter, chain) {
  if (chain.count === 1) return chainElement(chain.listed[0]);
  const sizes = chain.listed.map((path) => Math.abs(path.product));
  const largestPlace = sizes.indexOf(Math.max(...sizes));
  const paths = chain.listed.map((path, place) => {
    const [, next] = path.units;
    const way = h("span", { class: "way" }, wayText(trace, parameter, path));
    const open = button(`open ${next}`, "Open this unit", () => select({ kind: "unit", layer: parameter.layer + 1, unit: next }), { class: "quiet" });
    return h("li", null, h(
      "details",
      { open: place === largestPlace },
      h("summary", null, way, shortProduct(path)),
      chainElement(path),
      chain.isGrouped ? open : null,
    ));
  });
  return h("ol", { class: "paths" }, paths);
}

function sumElement(chain) {
  if (chain.count === 1) return null;
  const terms = chain.listed.map(({ product: value }, place) => [place ? sign("+") : null, number(value)]);
  const others = chain.others ? [sign("+"), number(chain.othersSum), h("span", { class: "note" }, ` (${chain.others} others)`)] : [];
  return h("p", { class: "sum" }, h("strong", null, "Sum of the paths "), terms, others, sign("="), number(chain.sum));
}

/** The gradient that training uses, beside what a trial says. */
function checkElement(trace, parameter) {
  const layer = trace.layers[parameter.layer];
  const gradient = parameterAt(layer.gradient, parameter);
  const rows = [[math(partial(mi("C"), parameterSymbol(parameter))), "of the batch, as training uses it", h("span", { id: "gradient" }, number(gradient))]];
  if (layer.difference) {
    const difference = parameterAt(layer.difference, parameter);
    rows.push(["trial", "central difference of the cost, in float64", h("span", { id: "difference" }, number(difference))]);
    rows.push(["error", "of one relative to the other", h("span", { id: "relative-error" }, number(relativeError(gradient, difference), null, 2))]);
  }
  return [
    h("h3", null, "Settled by trial"),
    table("The gradient beside its finite difference", ["", "", "value"], rows),
    layer.difference ? null : h("p", { class: "note" }, "No finite differences in this trace: they are left out of large networks."),
  ];
}

function parameterProduct(trace, parameter) {
  const { sample } = state;
  const chain = chainOf(trace, sample, parameter);
  const value = parameterAt(trace.layers[parameter.layer], parameter);
  return [
    h("h2", null, capital(trace.parameterName(parameter))),
    h("p", { class: "lead" }, math(parameterSymbol(parameter), "="), " ", number(value), ` for sample ${trace.samples.index[sample]}: what does its loss do when this number grows?`),
    chainFormula(trace, parameter),
    h("p", null, pathsIntroduction(chain)),
    pathElements(trace, parameter, chain),
    sumElement(chain),
    h("p", { class: "result" }, largeMath(partial(sampleLoss(), parameterSymbol(parameter)), "="), " ", h("span", { id: "sample-gradient" }, number(trace.sampleGradient(parameter, sample)))),
    checkElement(trace, parameter),
  ];
}

/** A sum of products as a table, the largest terms where there are many. */
function termsTable(caption, headings, terms, last) {
  const listed = largest(terms.map(({ value }) => value), MOST_TERMS);
  const rows = listed.map((place) => terms[place].cells);
  const others = terms.length - listed.length;
  if (others) {
    const rest = terms.filter((_, place) => !listed.includes(place)).reduce((sum, { value }) => sum + value, 0);
    rows.push([`${others} others`, ...headings.slice(2).map(() => ""), number(rest)]);
  }
  return table(caption, headings, last ? [...rows, last] : rows);
}

/** z of a unit: what comes in, times its weight. */
function preActivation(trace, layer, unit, sample) {
  const { inputs, bias, weights, z } = trace.layers[layer];
  const terms = Array.from({ length: inputs }, (_, from) => {
    const parameter = { layer, from, to: unit };
    const input = trace.input(parameter, sample);
    const weight = weights.at(from, unit);
    const choose = button(`from ${from}`, trace.unitName(layer - 1, from), () => select({ kind: "parameter", ...parameter }), { class: "link" });
    return { value: input * weight, cells: [choose, number(input, "input"), number(weight, "weight"), number(input * weight)] };
  });
  const chooseBias = button("from bias", "bias", () => select({ kind: "parameter", layer, from: BIAS, to: unit }), { class: "link" });
  terms.push({ value: bias.at(0, unit), cells: [chooseBias, "1", number(bias.at(0, unit), "weight"), number(bias.at(0, unit))] });
  return [
    formula(indexed("z", layer, unit), "=", sumOver("i"), inKind("input", activationSymbol(layer - 1, "i")), "·", inKind("weight", indexed("w", layer, "i", unit)), "+", indexed("b", layer, unit), "=", mn(digits(z.at(sample, unit)))),
    termsTable("The pre-activation, term by term", ["from", "input", "weight", "product"], terms),
  ];
}

/** da of a hidden unit: what each unit of the next layer passes back. */
function passedBack(trace, layer, unit, sample) {
  const next = trace.layers[layer + 1];
  const terms = Array.from({ length: next.units }, (_, to) => {
    const dz = next.dz.at(sample, to);
    const weight = next.weights.at(unit, to);
    const open = button(`to ${to}`, trace.unitName(layer + 1, to), () => select({ kind: "unit", layer: layer + 1, unit: to }), { class: "link" });
    return { value: dz * weight, cells: [open, number(dz, "group"), number(weight, "weight"), number(dz * weight)] };
  });
  return [
    formula(partial(sampleLoss(), indexed("a", layer, unit)), "=", sumOver("k"), inKind("group", partial(sampleLoss(), indexed("z", layer + 1, "k"))), "·", inKind("weight", indexed("w", layer + 1, unit, "k"))),
    termsTable("What the next layer passes back", ["through", "its ∂ℓ/∂z", "weight", "product"], terms),
  ];
}

function unitProduct(trace, { layer, unit }) {
  const { sample } = state;
  const own = trace.layers[layer];
  const heading = h("h2", null, capital(trace.unitName(layer, unit)));
  const column = Array.from({ length: own.inputs }, (_, from) => parameterAt(shownPart(layer), { from, to: unit }));
  const picture = layer === 0 ? pictureOf(column, `The unit’s ${state.show}s, as the picture they look at`) : null;
  const da = own.da.at(sample, unit);
  const derivative = own.derivative.at(sample, unit);
  const isOutput = layer === trace.last;
  return [
    heading,
    picture,
    h("h3", null, "Forward"),
    preActivation(trace, layer, unit, sample),
    formula(indexed("a", layer, unit), "=", mi("f"), mrow(mo("("), indexed("z", layer, unit), mo(")")), "=", mn(digits(own.a.at(sample, unit))), gap(), m("mtext", own.activation)),
    h("h3", null, "Backward"),
    isOutput ? h("p", null, "An output’s ∂ℓ/∂a is the derivative of the loss itself.") : passedBack(trace, layer, unit, sample),
    formula(partial(sampleLoss(), indexed("z", layer, unit)), "=", inKind(isOutput ? "loss" : "group", partial(sampleLoss(), indexed("a", layer, unit))), "·", inKind("activation", derivativeSymbol(layer, unit))),
    chainElement({
      factors: [
        factor(isOutput ? "loss" : "group", () => partial(sampleLoss(), indexed("a", layer, unit)), da),
        factor("activation", () => derivativeSymbol(layer, unit), derivative),
      ],
      product: own.dz.at(sample, unit),
    }),
  ];
}

function inputProduct(trace, { unit }) {
  const first = trace.layers[0];
  const terms = Array.from({ length: first.units }, (_, to) => {
    const parameter = { kind: "parameter", layer: 0, from: unit, to };
    const gradient = parameterAt(first.gradient, parameter);
    const open = button(`to ${to}`, trace.unitName(0, to), () => select(parameter), { class: "link" });
    return { value: gradient, cells: [open, number(parameterAt(first, parameter), "weight"), number(gradient)] };
  });
  return [
    h("h2", null, `Input ${trace.unitName(INPUTS, unit)}`),
    h("p", { class: "lead" }, math(activationSymbol(INPUTS, unit), "="), " ", number(trace.activation(INPUTS, state.sample, unit), "input"), ", as the network sees it."),
    termsTable("The weights that read it", ["to", "weight", "gradient"], terms),
  ];
}

function capital(text) {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("");
}

function productView() {
  const { trace, item } = state;
  if (item.kind === "parameter") return parameterProduct(trace, item);
  return item.layer === INPUTS ? inputProduct(trace, item) : unitProduct(trace, item);
}
