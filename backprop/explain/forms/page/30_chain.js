// The chain rule: the factors on each path from a parameter to the outputs.

const KINDS = {
  loss: { mark: "◆", label: "loss derivative" },
  mask: { mark: "◐", label: "dropout mask" },
  activation: { mark: "●", label: "activation derivative" },
  scale: { mark: "◧", label: "norm scale" },
  mean: { mark: "◔", label: "through the mean" },
  spread: { mark: "◕", label: "through the deviation" },
  deviation: { mark: "◨", label: "norm deviation" },
  weight: { mark: "▲", label: "upstream weight" },
  straight: { mark: "△", label: "straight road" },
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
  loss: (layer, unit) => partial(derived(), handedOnSymbol(layer, unit)),
  mask: maskSymbol,
  group: (layer, unit) => partial(derived(), indexed("z", layer, unit)),
  groupOut: (layer, unit) => partial(derived(), handedOnSymbol(layer, unit)),
  activation: derivativeSymbol,
  scale: (layer, unit) => indexed(state.trace.learnedAs({ layer, from: "scale" }).sign, layer, unit),
  mean: meanSymbol,
  spread: spreadSymbol,
  deviation: deviationSymbol,
  weight: (layer, from, to) => indexed("w", layer, from, to),
  straight: () => mn(1),
  input: (layer, from) => (from === BIAS ? mn(1) : asFactorSymbol(layer - 1, from)),
  learned: learnedInputSymbol,
};

/** Parts whose kind is called otherwise than their symbol and their value. */
const KIND_OF = { groupOut: "group", learned: "input" };

/** What a layer hands on, as a factor: whole where something is added to it, else its activation, which a mask is beside. */
function asFactorSymbol(layer, unit) {
  return state.trace.terms(layer).length ? handedOnSymbol(layer, unit) : activationSymbol(layer, unit);
}

/** A layer's own factors have their values themselves. */
const factorValue = (kind) => (trace, sample, layer, unit) => trace.factorOf(kind, layer).values.at(sample, unit);

const VALUES = {
  loss: (trace, sample, layer, unit) => trace.layers[layer].da.at(sample, unit),
  group: (trace, sample, layer, unit) => trace.layers[layer].dz.at(sample, unit),
  groupOut: (trace, sample, layer, unit) => trace.layers[layer].da.at(sample, unit),
  weight: (trace, _, layer, from, to) => trace.layers[layer].weights.at(from, to),
  straight: () => 1,
  input: (trace, sample, layer, from) => (from === BIAS ? 1 : asFactor(trace, sample, layer - 1, from)),
  learned: (trace, sample, layer, name, unit) => trace.learnedAs({ layer, from: name }).inputs.at(sample, unit),
};

function asFactor(trace, sample, layer, unit) {
  return trace.terms(layer).length ? trace.handedOn(layer, sample, unit) : trace.activation(layer, sample, unit);
}

/** A layer's own factors at a unit, as the derivative comes back through it. */
function partsThrough(trace, layer, unit) {
  return trace.factors(layer).map(({ kind }) => [kind, layer, unit]);
}

/** What a parameter is multiplied with: an activation or an input, and what scales it on its way. */
function partsOfInput(trace, parameter) {
  const { layer, from, to } = parameter;
  if (isLearned(parameter)) return [["learned", layer, from, to]];
  const isWhole = from === BIAS || trace.terms(layer - 1).length > 0;
  const scaling = isWhole ? [] : trace.scaling(layer - 1);
  return [...scaling.map(({ kind }) => [kind, layer - 1, from]), ["input", layer, from]];
}

/** A layer's own factors at a parameter's unit: of what the unit learns, those before it on the way back. */
function partsAtOwn(trace, parameter) {
  const parts = partsThrough(trace, parameter.layer, parameter.to);
  return isLearned(parameter) ? parts.slice(0, trace.learnedAs(parameter).depth) : parts;
}

// A way is a list of hops from a parameter's unit to an output, {unit, isStraight} each: straight is the road past
// a layer's weights. It ends early, with a kind as `gathers`, where a norm's mean or deviation gathers what comes back.

const hop = (unit, isStraight = false) => ({ unit, isStraight });

/** The factors along one way as [kind, layer, ...units], as the derivative comes back: loss first, input last. */
function partsAlong(trace, parameter, way) {
  const { layer } = parameter;
  const last = way.length - 1;
  const { unit, gathers } = way[last];
  const through = (place) => partsThrough(trace, layer + place, way[place].unit);
  const parts = gathers ? [[gathers, layer + last, unit], ...through(last).slice(-1)] : [["loss", layer + last, unit]];
  for (let place = last; place > 0; place--) {
    const [from, to] = [way[place - 1].unit, way[place].unit];
    if (way[place].isStraight) {
      parts.push(["straight", layer + place, to]);
    } else {
      const isBehind = place === last && gathers; // what is gathered there has the layer's factors in it
      parts.push(...(isBehind ? [] : through(place)), ["weight", layer + place, from, to]);
    }
  }
  const own = last === 0 && gathers ? [] : partsAtOwn(trace, parameter);
  return [...parts, ...own, ...partsOfInput(trace, parameter)];
}

/** The same for all paths beyond one unit of the next layer at once: their sum is that unit's ∂ℓ/∂z, or ∂ℓ/∂ã of the straight road. */
function partsOfGroup(trace, parameter, { unit, isStraight }) {
  const { layer, to } = parameter;
  const begun = isStraight
    ? [["groupOut", layer + 1, unit], ["straight", layer + 1, unit]]
    : [["group", layer + 1, unit], ["weight", layer + 1, to, unit]];
  return [...begun, ...partsAtOwn(trace, parameter), ...partsOfInput(trace, parameter)];
}

function pathOf(trace, sample, way, parts) {
  const factors = parts.map(([kind, ...place]) =>
    factor(KIND_OF[kind] ?? kind, () => SYMBOLS[kind](...place), (VALUES[kind] ?? factorValue(kind))(trace, sample, ...place)));
  return { way, factors, product: factors.reduce((product, { value }) => product * value, 1) };
}

function pathFactors(trace, sample, parameter, way) {
  return pathOf(trace, sample, way, partsAlong(trace, parameter, way));
}

/** Ways that end at a unit's z, where a norm gathers what comes back. */
function gatheredWays(trace, layer, unit) {
  return trace.gathered(layer).map(({ kind }) => [{ ...hop(unit), gathers: kind }]);
}

/** Those of the parameter's own layer: what it learns itself lies behind them. */
function ownGatheredWays(trace, parameter) {
  return isLearned(parameter) ? [] : gatheredWays(trace, parameter.layer, parameter.to);
}

function countPaths(trace, parameter) {
  const above = trace.layers.slice(parameter.layer + 1);
  const count = above.reduceRight((beyond, { units, gathered, residual }) => units * (beyond + gathered.length) + (residual ? beyond : 0), 1);
  return count + ownGatheredWays(trace, parameter).length;
}

function isGrouped(trace, parameter) {
  return countPaths(trace, parameter) > MOST_PATHS && parameter.layer < trace.last - 1;
}

/** Every way from a unit to an output, that unit first. */
function waysOut(trace, layer, unit) {
  if (layer === trace.last) return [[hop(unit)]];
  const from = hop(unit);
  const beyond = (next, isStraight) => waysOut(trace, layer + 1, next).map(([first, ...rest]) => [from, { ...first, isStraight }, ...rest]);
  const ways = trace.layers[layer + 1].residual ? beyond(unit, true) : [];
  for (let next = 0; next < trace.units(layer + 1); next++) {
    ways.push(...beyond(next, false), ...gatheredWays(trace, layer + 1, next).map((way) => [from, ...way]));
  }
  return ways;
}

/** A path for each unit of the next layer, and one for the straight road. */
function groupsOf(trace, sample, parameter) {
  const { layer, to } = parameter;
  const straight = trace.layers[layer + 1].residual ? [hop(to, true)] : [];
  const next = [...straight, ...Array.from({ length: trace.units(layer + 1) }, (_, unit) => hop(unit))];
  return next.map((one) => pathOf(trace, sample, [hop(to), one], partsOfGroup(trace, parameter, one)));
}

/** Every path of a parameter; where they are many, the largest, or the largest groups of them. */
function chainOf(trace, sample, parameter) {
  const { layer, to } = parameter;
  const count = countPaths(trace, parameter);
  const alone = (ways) => ways.map((way) => pathFactors(trace, sample, parameter, way));
  const paths = [
    ...(isGrouped(trace, parameter) ? groupsOf(trace, sample, parameter) : alone(waysOut(trace, layer, to))),
    ...alone(ownGatheredWays(trace, parameter)),
  ];
  const products = paths.map(({ product }) => product);
  const listed = new Set(count > MOST_PATHS ? largest(products, MOST_LISTED) : products.keys());
  return {
    count,
    isGrouped: isGrouped(trace, parameter),
    gathers: paths.some(endsEarly),
    listed: paths.filter((_, place) => listed.has(place)),
    others: paths.length - listed.size,
    othersSum: sum(products.filter((_, place) => !listed.has(place))),
    sum: sum(products),
    largest: largestToTheLoss(paths),
  };
}

/** Whether a path ends where a norm gathers what comes back. */
function endsEarly({ way }) {
  return Boolean(way[way.length - 1].gathers);
}

/** Of the paths that can be followed unit by unit: it stands for all of them. */
function largestToTheLoss(paths) {
  const whole = paths.filter((path) => !endsEarly(path));
  return whole[largest(whole.map(({ product }) => product), 1)[0]];
}

/** Whether all ways of a parameter are alike, so that one formula stands for them. */
function isOneFormula(trace, { layer }) {
  return trace.layers.slice(layer).every(({ gathered, residual }, place) => !gathered.length && !(place && residual));
}

/** The whole as a formula: the sums over the units on the way, and the product that is summed. */
function chainSymbols(trace, parameter) {
  const { layer, to } = parameter;
  const letters = [...SUM_LETTERS];
  if (!isOneFormula(trace, parameter)) return { sums: [], product: [meetingSymbol(parameter), mo("·"), inKind("input", inputSymbol(parameter))] };
  const beyond = trace.layers.slice(layer + 1).map(({ units }) => (units === 1 ? 0 : letters.shift()));
  const isGroup = isGrouped(trace, parameter);
  const way = (isGroup ? [to, beyond[0]] : [to, ...beyond]).map((unit) => hop(unit));
  const parts = isGroup ? partsOfGroup(trace, parameter, way[1]) : partsAlong(trace, parameter, way);
  const product = parts.map(([kind, ...place]) => inKind(KIND_OF[kind] ?? kind, SYMBOLS[kind](...place)));
  return {
    sums: way.slice(1).filter(({ unit }) => typeof unit === "string").map(({ unit }) => sumOver(unit)),
    product: between("·", product),
  };
}

/** The derivative that meets a parameter's input. */
function meetingSymbol(parameter) {
  const { layer, to } = parameter;
  if (!isLearned(parameter)) return inKind("group", partial(derived(), indexed("z", layer, to)));
  const { quantity } = state.trace.learnedAs(parameter);
  return inKind("group", partial(derived(), indexed(quantity.startsWith("a by ") ? "a" : "y", layer, to)));
}

/** Of two numbers: what they differ by, over the larger. */
function relativeError(one, other) {
  const scale = Math.max(Math.abs(one), Math.abs(other));
  if (!Number.isFinite(scale)) return NaN;
  return scale === 0 ? 0 : Math.abs(one - other) / scale;
}
