// The chain rule: the factors on each path from a parameter to the outputs.

const KINDS = {
  loss: { mark: "◆", label: "loss derivative" },
  activation: { mark: "●", label: "activation derivative" },
  weight: { mark: "▲", label: "upstream weight" },
  input: { mark: "■", label: "input" },
  group: { mark: "◇", label: "sum of the paths beyond" },
};

/** More paths than this are grouped by the unit of the next layer. */
const MOST_PATHS = 12;

/** Then so many of the largest are listed. */
const MOST_LISTED = 6;

function factor(kind, symbol, value) {
  return { kind, symbol, value };
}

function lossFactor(trace, sample, unit) {
  const symbol = () => partial(sampleLoss(), indexed("a", trace.last, unit));
  return factor("loss", symbol, trace.layers[trace.last].da.at(sample, unit));
}

function activationFactor(trace, sample, layer, unit) {
  const value = trace.layers[layer].derivative.at(sample, unit);
  return factor("activation", () => derivativeSymbol(layer, unit), value);
}

function weightFactor(trace, layer, from, to) {
  const value = trace.layers[layer].weights.at(from, to);
  return factor("weight", () => indexed("w", layer, from, to), value);
}

function inputFactor(trace, sample, parameter) {
  return factor("input", () => inputSymbol(parameter), trace.input(parameter, sample));
}

function product(factors) {
  return factors.reduce((result, { value }) => result * value, 1);
}

function countPaths(trace, layer) {
  return trace.layers.slice(layer + 1).reduce((count, { units }) => count * units, 1);
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

/** The factors along one way, as the derivative comes back: loss first, input last. */
function pathFactors(trace, sample, parameter, way) {
  const factors = [lossFactor(trace, sample, way[way.length - 1])];
  for (let place = way.length - 1; place >= 0; place--) {
    const layer = parameter.layer + place;
    factors.push(activationFactor(trace, sample, layer, way[place]));
    if (place > 0) factors.push(weightFactor(trace, layer, way[place - 1], way[place]));
  }
  factors.push(inputFactor(trace, sample, parameter));
  return { units: way, factors, product: product(factors) };
}

/** All paths beyond one unit of the next layer at once: their sum is that unit's ∂ℓ/∂z. */
function groupFactors(trace, sample, parameter, next) {
  const { layer, to } = parameter;
  const factors = [
    factor("group", () => partial(sampleLoss(), indexed("z", layer + 1, next)), trace.layers[layer + 1].dz.at(sample, next)),
    weightFactor(trace, layer + 1, to, next),
    activationFactor(trace, sample, layer, to),
    inputFactor(trace, sample, parameter),
  ];
  return { units: [to, next], factors, product: product(factors) };
}

/** Every path of a parameter; where they are many, the largest, or the largest groups of them. */
function chainOf(trace, sample, parameter) {
  const count = countPaths(trace, parameter.layer);
  const isMany = count > MOST_PATHS;
  const isGrouped = isMany && parameter.layer < trace.last - 1;
  const paths = isGrouped
    ? Array.from({ length: trace.units(parameter.layer + 1) }, (_, next) => groupFactors(trace, sample, parameter, next))
    : waysOut(trace, parameter.layer, parameter.to).map((way) => pathFactors(trace, sample, parameter, way));
  const products = paths.map((path) => path.product);
  const listed = new Set(isMany ? largest(products, MOST_LISTED) : products.keys());
  const total = (numbers) => numbers.reduce((sum, value) => sum + value, 0);
  return {
    count,
    isGrouped,
    listed: paths.filter((_, place) => listed.has(place)),
    others: paths.length - listed.size,
    othersSum: total(products.filter((_, place) => !listed.has(place))),
    sum: total(products),
  };
}

function relativeError(one, other) {
  const scale = Math.max(Math.abs(one), Math.abs(other));
  return scale === 0 ? 0 : Math.abs(one - other) / scale;
}
