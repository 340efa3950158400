// What a unit works out, forward and back; and the weights that read an input.

const MOST_TERMS = 12;

/** A sum of products as a table, the largest terms where there are many. */
function termsTable(caption, headings, terms, last) {
  const listed = largest(terms.map(({ value }) => value), MOST_TERMS);
  const rows = listed.map((place) => terms[place].cells);
  const others = terms.length - listed.length;
  if (others) {
    const rest = sum(terms.filter((_, place) => !listed.includes(place)).map(({ value }) => value));
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
  if (bias) {
    const chooseBias = button("from bias", "bias", () => select({ kind: "parameter", layer, from: BIAS, to: unit }), { class: "link" });
    terms.push({ value: bias.at(0, unit), cells: [chooseBias, "1", number(bias.at(0, unit), "weight"), number(bias.at(0, unit))] });
  }
  return [
    formula(indexed("z", layer, unit), "=", sumOver("i"), inKind("input", handedOnSymbol(layer - 1, "i")), "·", inKind("weight", indexed("w", layer, "i", unit)), ...biasTerm(layer, unit), "=", decimal(z.at(sample, unit))),
    termsTable("The pre-activation, term by term", ["from", "input", "weight", "product"], terms),
  ];
}

/** "+ b" of a formula of z, where the layer has a bias. */
function biasTerm(layer, unit) {
  return state.trace.layers[layer].bias ? ["+", indexed("b", layer, unit)] : [];
}

/** The derivative by what a unit hands on, of those of the next layer: through its weights, and by its straight road. */
function passedBackFormula(layer, unit, above) {
  const byZ = inKind("group", partial(derived(), indexed("z", layer + 1, above)));
  const weight = inKind("weight", indexed("w", layer + 1, unit, above));
  const { residual } = state.trace.layers[layer + 1];
  const straight = residual ? ["+", inKind("group", partial(derived(), handedOnSymbol(layer + 1, unit)))] : [];
  return formula(partial(derived(), handedOnSymbol(layer, unit)), "=", sumOver(above), byZ, "·", weight, ...straight);
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
  if (next.residual) {
    const da = next.da.at(sample, unit);
    terms.push({ value: da, cells: ["the straight road", number(da, "group"), number(1, "straight"), number(da)] });
  }
  return [
    passedBackFormula(layer, unit, "k"),
    termsTable("What the next layer passes back", ["through", `its ∂${derivedLetter()}/∂z`, "weight", "product"], terms),
    next.residual ? h("p", { class: "note" }, "The next layer adds its inputs to its outputs: by that road the derivative comes back as it is.") : null,
  ];
}

function unitProduct(trace, { layer, unit }) {
  const { sample } = state;
  const own = trace.layers[layer];
  const isOutput = layer === trace.last;
  const name = trace.unitName(layer, unit);
  const heading = h("h2", null, isOutput ? `Output ${name}` : capital(name));
  const column = Array.from({ length: own.inputs }, (_, from) => parameterAt(shownPart(layer), { from, to: unit }));
  const picture = layer === 0 ? pictureOf(column, `The unit’s ${state.show}s, as the picture they look at`) : null;
  const kind = isOutput ? "loss" : "group";
  const byOutput = factor(kind, () => partial(derived(), handedOnSymbol(layer, unit)), own.da.at(sample, unit));
  return [
    heading,
    own.remarks.length ? h("p", { class: "note" }, `${capital(own.name)}: ${own.remarks.join(", ")}.`) : null,
    picture,
    h("h3", null, "Forward"),
    preActivation(trace, layer, unit, sample),
    normFormulas(trace, layer, unit, sample),
    formula(indexed("a", layer, unit), "=", mi("f"), inBrackets(readByFSymbol(layer, unit)), "=", decimal(own.a.at(sample, unit)), gap(), m("mtext", own.activation)),
    handedOnFormulas(trace, layer, unit),
    h("h3", null, "Backward"),
    isOutput ? h("p", null, "What comes back to an output is the derivative of the loss itself.") : passedBack(trace, layer, unit, sample),
    own.norm ? normBackward(trace, layer, unit, byOutput) : plainBackward(trace, layer, unit, byOutput),
    learnedTable(trace, layer, unit),
  ];
}

/** From the derivative by what the unit hands on to that by its z. */
function plainBackward(trace, layer, unit, byOutput) {
  const { factors } = pathOf(trace, state.sample, [], partsThrough(trace, layer, unit));
  const all = [byOutput, ...factors];
  return [
    formula(partial(derived(), indexed("z", layer, unit)), "=", ...between("·", all.map((one) => inKind(one.kind, one.symbol())))),
    chainElement({ factors: all, product: trace.layers[layer].dz.at(state.sample, unit) }),
  ];
}

/** What the step makes of a unit's activation, or of an input, on its way to the next layer: ã = r · (a + ε) + x. */
function handedOnFormulas(trace, layer, unit) {
  if (!trace.isChanged(layer)) return [];
  return [
    formula(handedOnSymbol(layer, unit), "=", ...handedOnParts(trace, layer, unit), "=", decimal(trace.handedOn(layer, state.sample, unit))),
    changeNotes(trace, layer),
  ];
}

/** The right side of ã = …, for a unit or a letter. */
function handedOnParts(trace, layer, unit) {
  const scaling = trace.scaling(layer);
  const added = (term) => (term.comes_last ? inputOfResidual(layer, unit) : indexed(term.symbol, layer, unit));
  const terms = (isLast) => trace.terms(layer).filter((term) => term.comes_last === isLast).flatMap((term) => [mo("+"), added(term)]);
  const inner = mrow(activationSymbol(layer, unit), ...terms(false));
  const factors = scaling.map(({ kind }) => inKind(kind, SYMBOLS[kind](layer, unit)));
  const product = between("·", [...factors, scaling.length && terms(false).length ? inBrackets(inner) : inner]);
  return [...product, ...terms(true)];
}

/** What a residual connection adds to a unit: the input of the same place. */
function inputOfResidual(layer, unit) {
  return handedOnSymbol(layer - 1, unit);
}

function changeNotes(trace, layer) {
  const scaling = trace.scaling(layer).map(({ kind, note }) => [KINDS[kind].label, note]);
  const terms = trace.terms(layer).map(({ name, note }) => [name, note]);
  return [...scaling, ...terms].map(([name, note]) => h("p", { class: "note" }, `The ${name}: ${note}.`));
}

/** What the unit learns beside its weights and bias; each can be chosen. */
function learnedTable(trace, layer, unit) {
  const { learned, gradient } = trace.layers[layer];
  if (!learned.length) return null;
  const rows = learned.map(({ name, values, note }) => {
    const parameter = { kind: "parameter", layer, from: name, to: unit };
    const choose = button(`learned ${name}`, [math(parameterSymbol(parameter)), ` ${note}`], () => select(parameter), { class: "link" });
    return [choose, number(values.at(0, unit)), number(gradient[name].at(0, unit))];
  });
  return [h("h3", null, "What the unit learns beside its weights"), table("A number of each unit", ["", "value", "gradient"], rows)];
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
    handedOnFormulas(trace, INPUTS, unit),
    termsTable("The weights that read it", ["to", "weight", "gradient"], terms),
  ];
}

/** A unit's view, or an input's. */
function nodeProduct(trace, item) {
  return item.layer === INPUTS ? inputProduct(trace, item) : unitProduct(trace, item);
}
