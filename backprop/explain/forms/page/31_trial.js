// Central differences: what a loss, and the cost, do when one number is moved a little each way. For
// this the network is worked out again, in float64 and without any derivative.

/** The cube root of float64's epsilon: rounding and curvature then err about alike. */
const TRIAL_STEP = 6e-6;

/** Multiplications that a page may take for a trial of the cost: some tenths of a second. */
const MOST_TRIAL_WORK = 2e8;

/** A relative error above this asks for a reason. */
const NOTABLE_ERROR = 1e-5;

/** The activation of each z of a layer. */
function activated(layer, z) {
  const { formula, settings } = layer.function;
  return z.map((value) => evaluated(formula, { ...settings, z: value }));
}

/** Values of a layer's units, or of the inputs, with what the step drops of them. */
function scaled(trace, layer, sample, values) {
  return trace.scaling(layer).reduce((all, factor) => all.map((value, unit) => value * factor.values.at(sample, unit)), values);
}

/** What a layer hands on, given its z. */
function handedOnFrom(trace, layer, sample, z) {
  return scaled(trace, layer, sample, activated(trace.layers[layer], z));
}

/** log(Σ exp a), of numbers that may be large. */
function logSumExp(a) {
  const most = a.reduce((one, other) => Math.max(one, other), -Infinity);
  return most + Math.log(a.reduce((total, value) => total + Math.exp(value - most), 0));
}

/** −Σ y log p with p = softmax(a), from a sample's outputs a and targets y. */
function crossEntropyOfAll(a, y) {
  const all = logSumExp(a);
  return a.reduce((total, value, j) => total + (y[j] === 0 ? 0 : y[j] * (all - value)), 0);
}

/** What the symbols of a loss's formulas stand for in one of its terms, of so many in all. */
function valuesOfTerm({ members, settings, of_each: ofEach, wherein }, a, y, place, terms) {
  const values = { ...settings, y: y[place] };
  members.forEach((member, i) => (values[member] = a[place + i * terms]));
  for (const [symbol, numbers] of Object.entries(ofEach)) values[symbol] = numbers[place];
  for (const { symbol, formula } of wherein) values[symbol] = evaluated(formula, values);
  return values;
}

/** A sample's loss: a sum of terms, but where every probability depends on every logit; null where only Python can work it out. */
function sampleLossOf(loss, a, y) {
  if (loss.long_way === "matrix") return crossEntropyOfAll(a, y);
  if (loss.term === null) return null;
  const terms = a.length / loss.members.length;
  const values = Array.from({ length: terms }, (_, place) => valuesOfTerm(loss, a, y, place, terms));
  return sum(values.map((own) => evaluated(loss.term, own)));
}

function preActivations({ inputs, units, weights, bias }, input) {
  const z = Float64Array.from(bias.data);
  for (let from = 0; from < inputs; from++) {
    const row = from * units;
    for (let to = 0; to < units; to++) z[to] += input[from] * weights.data[row + to];
  }
  return z;
}

/** A sample's input as the first layer reads it, and each layer's z on it; kept, as every trial begins with them. */
function forward(trace, sample) {
  trace.forwards ??= new Map();
  if (!trace.forwards.has(sample)) {
    const { x } = trace.samples;
    const input = scaled(trace, INPUTS, sample, Float64Array.from(x.data.subarray(sample * x.cols, (sample + 1) * x.cols)));
    const zs = [];
    let a = input;
    trace.layers.forEach((layer, l) => {
      zs.push(preActivations(layer, a));
      a = handedOnFrom(trace, l, sample, zs[l]);
    });
    trace.forwards.set(sample, { input, zs });
  }
  return trace.forwards.get(sample);
}

/** Each layer's z after one parameter was moved, from its layer on: there all is worked out again. */
function zsWhenMoved(trace, sample, { layer, from, to }, by) {
  const { input, zs } = forward(trace, sample);
  const below = layer === 0 ? input : handedOnFrom(trace, layer - 1, sample, zs[layer - 1]);
  const z = zs[layer].slice();
  z[to] += by * (from === BIAS ? 1 : below[from]);
  const moved = [z];
  for (let l = layer + 1; l <= trace.last; l++) {
    const a = handedOnFrom(trace, l - 1, sample, moved[moved.length - 1]);
    moved.push(preActivations(trace.layers[l], a));
  }
  return moved;
}

function targetsOf(trace, sample) {
  const { y } = trace.samples;
  return y.data.subarray(sample * y.cols, (sample + 1) * y.cols);
}

/** Of an output's z: the sample's loss, and on which side of a corner of the loss each output lies. */
function lossOf(trace, sample, z) {
  const y = targetsOf(trace, sample);
  const a = handedOnFrom(trace, trace.last, sample, z);
  const { corner } = trace.lossFunction;
  const sides = corner === null ? [] : Array.from(a, (value, j) => evaluated(corner, { a: value, y: y[j] }) > 0);
  return { loss: sampleLossOf(trace.lossFunction, a, y), sides };
}

/** h, by which a number is moved each way. */
function trialStep(value) {
  return TRIAL_STEP * Math.max(1, Math.abs(value));
}

/** Of one sample's loss: (ℓ(w + h) − ℓ(w − h)) / 2h, or null; and whether a z passes a kink of its activation between the two, or an output a corner of the loss. */
function sampleTrial(trace, sample, parameter) {
  const held = parameterAt(trace.layers[parameter.layer], parameter);
  const step = trialStep(held);
  const ends = [held + step, held - step]; // as rounded
  const [above, below] = ends.map((end) => zsWhenMoved(trace, sample, parameter, end - held));
  const [higher, lower] = [above, below].map((zs) => lossOf(trace, sample, zs[zs.length - 1]));
  const difference = higher.loss === null ? null : (higher.loss - lower.loss) / (ends[0] - ends[1]);
  const isAtCorner = higher.sides.some((side, j) => side !== lower.sides[j]);
  const passesKink = (zs, place) =>
    trace.layers[parameter.layer + place].function.kinks.some((kink) =>
      zs.some((z, unit) => z > kink !== below[place][unit] > kink));
  return { difference, isAtKink: isAtCorner || above.some(passesKink) };
}

/** Whether this page can work the loss out: not one of the user's own, which is written in Python. */
function isTriedHere({ lossFunction }) {
  return lossFunction.term !== null || lossFunction.long_way === "matrix";
}

/** Of the cost, by the samples that weigh; null where that would take long. The difference is the trace's own where it has one. */
function costTrial(trace, parameter) {
  const known = trace.layers[parameter.layer].difference;
  const weights = sum(trace.layers.map(({ inputs, units }) => inputs * units));
  const { count, share } = trace.samples;
  if (!known && (!isTriedHere(trace) || weights * count > MOST_TRIAL_WORK)) return null;
  const weighing = [...Array(count).keys()].filter((sample) => share.at(0, sample) > 0);
  const trials = weighing.map((sample) => ({ share: share.at(0, sample), ...sampleTrial(trace, sample, parameter) }));
  return {
    difference: known ? parameterAt(known, parameter) : sum(trials.map((trial) => trial.share * trial.difference)),
    isAtKink: trials.some(({ isAtKink }) => isAtKink),
  };
}

/** A gradient beside its trial, of a loss or cost by a number; and why they may differ though both are right. */
function compared(gradient, trial, cost, number) {
  if (trial === null || trial.difference === null) return { gradient, difference: null, error: null, reason: null };
  const { difference, isAtKink } = trial;
  const error = relativeError(gradient, difference);
  const rounding = (Number.EPSILON * Math.abs(cost)) / trialStep(number);
  const isUnresolved = error > NOTABLE_ERROR && Math.abs(gradient - difference) <= rounding;
  return { gradient, difference, error, reason: isUnresolved ? "unresolved" : isAtKink ? "kink" : null };
}
