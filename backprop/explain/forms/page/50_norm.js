// A norm at one unit: from z to what the activation reads; and back, where every z acts on every n.

/** The derivative of all n by one z has so many numbers, of which these are listed. */
const MOST_OF_A_COLUMN = 12;

/** A mean over what the norm is taken over. */
const meanOf = (...parts) => mrow(mi("mean"), inBrackets(...parts));

/** n = (z − mean) / σ and y = γ n + β, with their numbers. */
function normFormulas(trace, layer, unit, sample) {
  const { norm } = trace.layers[layer];
  if (norm === null) return [];
  const at = (table) => decimal(table.at(sample, unit));
  const own = ownIndex(layer, unit);
  const n = () => indexed("n", layer, unit);
  const z = () => indexed("z", layer, unit);
  return [
    formula(n(), "=", m("mfrac", mrow(z(), mo("−"), meanOf(indexed("z", layer, ...own))), indexed("σ", layer, ...own)), "=", at(norm.n)),
    h("p", { class: "note" }, `Over ${norm.over} the mean of z is `, number(norm.mean.at(sample, unit)), " and its deviation σ is ", number(norm.deviation.at(sample, unit)), `, the root of the variance and ${digits(norm.epsilon)}.`),
    formula(indexed("y", layer, unit), "=", ofNorm(layer, norm.formula, unit), "=", at(norm.y)),
  ];
}

/** A formula of the norm, whose letters are those of a unit. */
function ofNorm(layer, tree, unit) {
  return formulaElement(tree, ({ symbol }) =>
    (symbol === "n" ? indexed("n", layer, unit) : parameterSymbol({ layer, from: symbol, to: unit })));
}

/** The derivative by z of a norm: g stands for that by n. */
function normSlope(layer, unit) {
  const own = ownIndex(layer, unit);
  const g = (...index) => inKind("group", partial(derived(), indexed("n", layer, ...index)));
  const written = {
    g: () => g(unit),
    mean: () => meanOf(g(...own)),
    mean_product: () => meanOf(indexed("n", layer, ...own), mo("·"), g(...own)),
    n: () => indexed("n", layer, unit),
    deviation: () => indexed("σ", layer, ...own),
  };
  return formulaElement(state.trace.layers[layer].norm.slope, ({ symbol }) => written[symbol]());
}

/** From what the unit hands on back to its n; then through the matrix to its z. */
function normBackward(trace, layer, unit, byOutput) {
  const { sample } = state;
  const { norm, dz } = trace.layers[layer];
  const parts = partsThrough(trace, layer, unit).slice(0, -1); // σ comes after the matrix
  const { factors } = pathOf(trace, sample, [], parts);
  const all = [byOutput, ...factors];
  return [
    formula(partial(derived(), indexed("n", layer, unit)), "=", ...between("·", all.map((one) => inKind(one.kind, one.symbol())))),
    chainElement({ factors: all, product: norm.dn.at(sample, unit) }),
    h("p", null, `Every n over ${norm.over} depends on this z: its derivatives are a column of a matrix.`),
    columnTable(trace, layer, unit),
    h("p", null, "The sum of these products collapses to two means:"),
    formula(partial(derived(), indexed("z", layer, unit)), "=", normSlope(layer, unit)),
    collapsedTable(trace, layer, unit),
    h("p", { class: "result" }, largeMath(partial(derived(), indexed("z", layer, unit)), "="), " ", h("span", { id: "by-z" }, number(dz.at(sample, unit)))),
  ];
}

/** ∂n/∂z of the z of a unit in a sample, and the derivative by n, for all n that it acts on. */
function normColumn(trace, layer, unit, sample) {
  const { norm, units } = trace.layers[layer];
  const overSamples = norm.is_over_samples;
  const count = overSamples ? trace.samples.count : units;
  const at = (table, i) => (overSamples ? table.at(i, unit) : table.at(sample, i));
  const here = overSamples ? sample : unit;
  return Array.from({ length: count }, (_, i) => {
    const own = i === here ? 1 : 0;
    const slope = (own - (1 + at(norm.n, i) * at(norm.n, here)) / count) / norm.deviation.at(sample, unit);
    return { slope, back: at(norm.dn, i) };
  });
}

function columnTable(trace, layer, unit) {
  const { norm } = trace.layers[layer];
  const column = normColumn(trace, layer, unit, state.sample);
  const nameOf = (i) => (norm.is_over_samples ? `sample ${trace.samples.numbers[i]}` : trace.unitName(layer, i));
  const products = column.map(({ slope, back }) => slope * back);
  const shown = largest(products, MOST_OF_A_COLUMN);
  const rows = shown.map((i) => [nameOf(i), number(column[i].slope), number(column[i].back, "group"), number(products[i])]);
  const rest = sum(products.filter((_, i) => !shown.includes(i)));
  if (shown.length < products.length) rows.push([`${products.length - shown.length} others`, "", "", number(rest)]);
  rows.push(["sum", "", "", h("span", { id: "column-sum" }, number(sum(products)))]);
  return table("What this z does to every n", ["n of", "∂n/∂z", `∂${derivedLetter()}/∂n`, "product"], rows);
}

/** The three terms above σ, and what is left of them. */
function collapsedTable(trace, layer, unit) {
  const { sample } = state;
  const { norm } = trace.layers[layer];
  const gathered = trace.gathered(layer).map(({ kind, values }) => [KINDS[kind].label, number(values.at(sample, unit), kind)]);
  return table("The terms above σ", ["", "value"], [
    [`∂${derivedLetter()}/∂n itself`, number(norm.dn.at(sample, unit), "group")],
    ...gathered,
    ["σ, which divides them", number(norm.deviation.at(sample, unit), "deviation")],
  ]);
}
