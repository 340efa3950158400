// The chain rule: the factors on each path from a parameter to the outputs.

const KINDS = {
  loss: { mark: "◆", label: "loss derivative" },
  mask: { mark: "◐", label: "dropout mask" },
  activation: { mark: "●", label: "activation derivative" },
  weight: { mark: "▲", label: "upstream weight" },
  input: { mark: "■", label: "input" },
  group: { mark: "◇", label: "sum of the paths beyond" },
};

/** More paths than this are grouped by the unit of the next layer. */
const MOST_PATHS = 12;

/** Then so many of the largest are listed. */
const MOST_LISTED = 6;

/** What the units of the layers beyond are called in a sum; twelve paths cross three such layers. */
const SUM_LETTERS = ["k", "m", "n"];

function factor(kind, symbol, value) {
  return { kind, symbol, value };
}

/** Each kind's symbol; a unit is a number, or a letter that a sum goes through. */
const SYMBOLS = {
  loss: (layer, unit) => partial(sampleLoss(), handedOnSymbol(layer, unit)),
  mask: maskSymbol,
  group: (layer, unit) => partial(sampleLoss(), indexed("z", layer, unit)),
  activation: derivativeSymbol,
  weight: (layer, from, to) => indexed("w", layer, from, to),
  input: (layer, from) => (from === BIAS ? mn(1) : activationSymbol(layer - 1, from)),
};

/** A layer's own factors have their values themselves. */
const factorValue = (kind) => (trace, sample, layer, unit) => trace.factorOf(kind, layer).values.at(sample, unit);

const VALUES = {
  loss: (trace, sample, layer, unit) => trace.layers[layer].da.at(sample, unit),
  group: (trace, sample, layer, unit) => trace.layers[layer].dz.at(sample, unit),
  weight: (trace, _, layer, from, to) => trace.layers[layer].weights.at(from, to),
  input: (trace, sample, layer, from) => (from === BIAS ? 1 : trace.activation(layer - 1, sample, from)),
};

/** A layer's own factors at a unit, as the derivative comes back through it. */
function partsThrough(trace, layer, unit) {
  return trace.factors(layer).map(({ kind }) => [kind, layer, unit]);
}

/** What a parameter is multiplied with: an activation or an input, and what scales it on its way. */
function partsOfInput(trace, { layer, from }) {
  const scaling = from === BIAS ? [] : trace.scaling(layer - 1);
  return [...scaling.map(({ kind }) => [kind, layer - 1, from]), ["input", layer, from]];
}

/** The factors along one way as [kind, layer, ...units], as the derivative comes back: loss first, input last. */
function partsAlong(trace, parameter, way) {
  const { layer, to } = parameter;
  const parts = [["loss", layer + way.length - 1, way[way.length - 1]]];
  for (let place = way.length - 1; place > 0; place--) {
    parts.push(...partsThrough(trace, layer + place, way[place]));
    parts.push(["weight", layer + place, way[place - 1], way[place]]);
  }
  return [...parts, ...partsThrough(trace, layer, to), ...partsOfInput(trace, parameter)];
}

/** The same for all paths beyond one unit of the next layer at once: their sum is that unit's ∂ℓ/∂z. */
function partsOfGroup(trace, parameter, next) {
  const { layer, to } = parameter;
  return [
    ["group", layer + 1, next],
    ["weight", layer + 1, to, next],
    ...partsThrough(trace, layer, to),
    ...partsOfInput(trace, parameter),
  ];
}

function pathOf(trace, sample, units, parts) {
  const factors = parts.map(([kind, ...place]) =>
    factor(kind, () => SYMBOLS[kind](...place), (VALUES[kind] ?? factorValue(kind))(trace, sample, ...place)));
  return { units, factors, product: factors.reduce((product, { value }) => product * value, 1) };
}

function pathFactors(trace, sample, parameter, way) {
  return pathOf(trace, sample, way, partsAlong(trace, parameter, way));
}

function groupFactors(trace, sample, parameter, next) {
  return pathOf(trace, sample, [parameter.to, next], partsOfGroup(trace, parameter, next));
}

function countPaths(trace, layer) {
  return trace.layers.slice(layer + 1).reduce((count, { units }) => count * units, 1);
}

function isGrouped(trace, layer) {
  return countPaths(trace, layer) > MOST_PATHS && layer < trace.last - 1;
}

/** The units on each way from a unit to an output, that unit first. */
function waysOut(trace, layer, unit) {
  if (layer === trace.last) return [[unit]];
  const ways = [];
  for (let next = 0; next < trace.units(layer + 1); next++) {
    for (const way of waysOut(trace, layer + 1, next)) ways.push([unit, ...way]);
  }
  return ways;
}

/** Every path of a parameter; where they are many, the largest, or the largest groups of them. */
function chainOf(trace, sample, parameter) {
  const { layer, to } = parameter;
  const count = countPaths(trace, layer);
  const paths = isGrouped(trace, layer)
    ? Array.from({ length: trace.units(layer + 1) }, (_, next) => groupFactors(trace, sample, parameter, next))
    : waysOut(trace, layer, to).map((way) => pathFactors(trace, sample, parameter, way));
  const products = paths.map(({ product }) => product);
  const listed = new Set(count > MOST_PATHS ? largest(products, MOST_LISTED) : products.keys());
  return {
    count,
    isGrouped: isGrouped(trace, layer),
    listed: paths.filter((_, place) => listed.has(place)),
    others: paths.length - listed.size,
    othersSum: sum(products.filter((_, place) => !listed.has(place))),
    sum: sum(products),
    largest: paths[largest(products, 1)[0]],
  };
}

/** The whole as a formula: the sums over the units on the way, and the product that is summed. */
function chainSymbols(trace, parameter) {
  const { layer, to } = parameter;
  const letters = [...SUM_LETTERS];
  const beyond = trace.layers.slice(layer + 1).map(({ units }) => (units === 1 ? 0 : letters.shift()));
  const way = isGrouped(trace, layer) ? [to, beyond[0]] : [to, ...beyond];
  const parts = isGrouped(trace, layer) ? partsOfGroup(trace, parameter, beyond[0]) : partsAlong(trace, parameter, way);
  const product = parts.map(([kind, ...place]) => inKind(kind, SYMBOLS[kind](...place)));
  return {
    sums: way.slice(1).filter((unit) => typeof unit === "string").map(sumOver),
    product: between("·", product),
  };
}

/** Of two numbers: what they differ by, over the larger. */
function relativeError(one, other) {
  const scale = Math.max(Math.abs(one), Math.abs(other));
  if (!Number.isFinite(scale)) return NaN;
  return scale === 0 ? 0 : Math.abs(one - other) / scale;
}
