// Central differences: what a loss, and the cost, do when one number is moved a little each way. For
// this the network is worked out again, in float64 and without any derivative.

/** The cube root of float64's epsilon: rounding and curvature then err about alike. */
const TRIAL_STEP = 6e-6;

/** Multiplications that a page may take for a trial of the cost: some tenths of a second. */
const MOST_TRIAL_WORK = 2e8;

/** By which rounding may move a cost, in units of the last. */
const LAST_DIGITS = 4;

/** A relative error above this asks for a reason. */
const NOTABLE_ERROR = 1e-5;

/** A number that each unit of a layer learns; a `move` changes one of them, in some rows. */
function learnedNumber(layer, name, unit, row, move) {
  const held = layer[name].at(0, unit);
  const isMoved = move !== null && move.layer === layer && move.from === name && move.to === unit && move.rows.has(row);
  return isMoved ? held + move.by : held;
}

/** n of numbers, less their mean and over their deviation. */
function standardised(values, epsilon) {
  const mean = sum(values) / values.length;
  const variance = sum(values.map((value) => (value - mean) ** 2)) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance + epsilon));
}

/** What the activation reads, of a layer's z row by row. */
function readByF(layer, rows, zs, move) {
  const { norm } = layer;
  if (norm === null) return zs;
  const columns = Array.from({ length: layer.units }, (_, unit) => zs.map((z) => z[unit]));
  const byUnit = norm.is_over_samples ? columns.map((z) => standardised(z, norm.epsilon)) : null;
  const ns = byUnit ? zs.map((_, place) => byUnit.map((n) => n[place])) : zs.map((z) => standardised(Array.from(z), norm.epsilon));
  return ns.map((own, place) => own.map((n, unit) => {
    const number = (name) => learnedNumber(layer, name, unit, rows[place], move);
    return evaluated(norm.formula, { n, scale: number("scale"), shift: number("shift") });
  }));
}

/** The activations of one row. */
function activated(layer, row, values, move) {
  const { formula, settings, learned } = layer.function;
  return values.map((z, unit) => {
    const own = learned === null ? {} : { [learned]: learnedNumber(layer, learned, unit, row, move) };
    return evaluated(formula, { ...settings, ...own, z });
  });
}

/** Values of a layer's units, or of the inputs, with what the step drops of them. */
function scaled(trace, layer, sample, values) {
  return trace.scaling(layer).reduce((all, factor) => all.map((value, unit) => value * factor.values.at(sample, unit)), values);
}

/** What a layer hands on in one row, given what its activation reads, and its inputs. */
function handedOnFrom(trace, l, row, values, inputs, move) {
  const layer = trace.layers[l];
  const noise = layer.terms.find(({ is_drawn: isDrawn }) => isDrawn);
  const a = activated(layer, row, values, move).map((value, unit) => value + (noise ? noise.values.at(row, unit) : 0));
  const out = scaled(trace, l, row, a);
  return layer.residual ? out.map((value, unit) => value + inputs[unit]) : out;
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
  const z = bias ? Float64Array.from(bias.data) : new Float64Array(units);
  for (let from = 0; from < inputs; from++) {
    const row = from * units;
    for (let to = 0; to < units; to++) z[to] += input[from] * weights.data[row + to];
  }
  return z;
}

/** The samples that have to be worked out with one: all of them where a norm mixes them. */
function rowsWith(trace, sample) {
  return trace.mixesSamples ? [...Array(trace.samples.count).keys()] : [sample];
}

/** From one layer on: what each activation reads, row by row, and what the network hands on. `inputs` and `zs` are the layer's, by row. */
function onwards(trace, first, rows, inputs, zs, move, seen) {
  const read = [];
  let [into, own] = [inputs, zs];
  for (let l = first; l <= trace.last; l++) {
    seen?.push({ inputs: into, zs: own });
    const values = readByF(trace.layers[l], rows, own, move);
    read.push(values);
    const before = into;
    into = values.map((value, place) => handedOnFrom(trace, l, rows[place], value, before[place], move));
    if (l < trace.last) own = into.map((input) => preActivations(trace.layers[l + 1], input));
  }
  return { read, outputs: into };
}

/** Each layer's inputs and z by row, as they are; kept, as every trial begins with them. */
function forward(trace, rows) {
  trace.forwards ??= new Map();
  const key = rows.join();
  if (!trace.forwards.has(key)) {
    const { x } = trace.samples;
    const inputs = rows.map((row) => scaled(trace, INPUTS, row, Float64Array.from(x.data.subarray(row * x.cols, (row + 1) * x.cols))));
    const seen = [];
    onwards(trace, 0, rows, inputs, inputs.map((input) => preActivations(trace.layers[0], input)), null, seen);
    trace.forwards.set(key, seen);
  }
  return trace.forwards.get(key);
}

/** The same from a parameter's layer on, after the parameter was moved in some of the rows: there all is worked out again. */
function whenMoved(trace, rows, parameter, movedRows, by) {
  const { layer, from, to } = parameter;
  const { inputs, zs } = forward(trace, rows)[layer];
  const move = { layer: trace.layers[layer], from, to, by, rows: new Set(movedRows) };
  const moved = zs.map((z, place) => {
    if (isLearned(parameter) || !move.rows.has(rows[place])) return z;
    const changed = z.slice();
    changed[to] += by * (from === BIAS ? 1 : inputs[place][from]);
    return changed;
  });
  return onwards(trace, layer, rows, inputs, moved, move);
}

function targetsOf(trace, sample) {
  const { y } = trace.samples;
  return y.data.subarray(sample * y.cols, (sample + 1) * y.cols);
}

/** Of what the network hands on: the sample's loss, and on which side of a corner of the loss each output lies. */
function lossOf(trace, sample, a) {
  const y = targetsOf(trace, sample);
  const { corner } = trace.lossFunction;
  const sides = corner === null ? [] : Array.from(a, (value, j) => evaluated(corner, { a: value, y: y[j] }) > 0);
  return { loss: sampleLossOf(trace.lossFunction, a, y), sides };
}

/** h, by which a number is moved each way. */
function trialStep(value) {
  return TRIAL_STEP * Math.max(1, Math.abs(value));
}

/** What a trial finds at one of its ends: Σ weight · loss of the rows, or null; and each row's losses and what the activations read. */
function endOf(trace, rows, weights, parameter, movedRows, by) {
  const { read, outputs } = whenMoved(trace, rows, parameter, movedRows, by);
  const losses = rows.map((row, place) => lossOf(trace, row, outputs[place]));
  const isKnown = losses.every(({ loss }) => loss !== null);
  const total = isKnown ? sum(losses.map(({ loss }, place) => (weights[place] === 0 ? 0 : weights[place] * loss))) : null;
  return { total, losses, read };
}

/** Whether, in a row, a z passes a kink of its activation between two ends, or an output a corner of the loss. */
function passesKink(trace, first, place, above, below) {
  const [high, low] = [above, below].map(({ losses }) => losses[place].sides);
  if (high.some((side, j) => side !== low[j])) return true;
  return above.read.some((layer, l) => trace.layers[first + l].function.kinks.some((kink) =>
    layer[place].some((value, unit) => value > kink !== below.read[l][place][unit] > kink)));
}

/** (L(w + h) − L(w − h)) / 2h of the weighted losses L of the rows, where w is moved in some of them; and whether a row that counts passes a kink. */
function trialOf(trace, rows, weights, parameter, movedRows) {
  const held = parameterAt(trace.layers[parameter.layer], parameter);
  const step = trialStep(held);
  const ends = [held + step, held - step]; // as rounded
  const [above, below] = ends.map((end) => endOf(trace, rows, weights, parameter, movedRows, end - held));
  const difference = above.total === null ? null : (above.total - below.total) / (ends[0] - ends[1]);
  const isAtKink = rows.some((_, place) => weights[place] > 0 && passesKink(trace, parameter.layer, place, above, below));
  return { difference, isAtKink };
}

const sharesOf = (trace, rows) => rows.map((row) => trace.samples.share.at(0, row));

/** Of one sample's loss; where a norm mixes samples of the cost, with the number moved where this sample uses it alone. */
function sampleTrial(trace, sample, parameter) {
  const rows = rowsWith(trace, sample);
  return trialOf(trace, rows, trace.mixesSamples ? sharesOf(trace, rows) : [1], parameter, [sample]);
}

/** Whether this page can work the loss out: not one of the user's own, which is written in Python. */
function isTriedHere({ lossFunction }) {
  return lossFunction.term !== null || lossFunction.long_way === "matrix";
}

/** Whether a trial of so many samples would be quick. */
function isQuick(trace, count) {
  return sum(trace.layers.map(({ inputs, units }) => inputs * units)) * count <= MOST_TRIAL_WORK;
}

/** Whether one sample's part is tried: with all samples only where that is quick. */
function isTried(trace) {
  return !trace.mixesSamples || isQuick(trace, trace.samples.count);
}

/** Of the cost, by the samples that weigh; null where that would take long. The difference is the trace's own where it has one. */
function costTrial(trace, parameter) {
  const known = trace.layers[parameter.layer].difference;
  if (!known && (!isTriedHere(trace) || !isQuick(trace, trace.samples.count))) return null;
  const trials = trace.mixesSamples ? [wholeTrial(trace, parameter)] : weighingTrials(trace, parameter);
  return {
    difference: known ? parameterAt(known, parameter) : sum(trials.map((trial) => trial.difference)),
    isAtKink: trials.some(({ isAtKink }) => isAtKink),
  };
}

function wholeTrial(trace, parameter) {
  const rows = rowsWith(trace, 0);
  return trialOf(trace, rows, sharesOf(trace, rows), parameter, rows);
}

/** Of each sample that weighs, alone: its share of the whole. */
function weighingTrials(trace, parameter) {
  const { count, share } = trace.samples;
  const weighing = [...Array(count).keys()].filter((sample) => share.at(0, sample) > 0);
  return weighing.map((sample) => {
    const { difference, isAtKink } = sampleTrial(trace, sample, parameter);
    return { difference: share.at(0, sample) * difference, isAtKink };
  });
}

/** A gradient beside its trial, of a loss or cost by a number; and why they may differ though both are right. */
function compared(gradient, trial, cost, number) {
  if (trial === null || trial.difference === null) return { gradient, difference: null, error: null, reason: null };
  const { difference, isAtKink } = trial;
  const error = relativeError(gradient, difference);
  const rounding = (LAST_DIGITS * Number.EPSILON * Math.abs(cost)) / trialStep(number);
  const isUnresolved = error > NOTABLE_ERROR && Math.abs(gradient - difference) <= rounding;
  return { gradient, difference, error, reason: isUnresolved ? "unresolved" : isAtKink ? "kink" : null };
}
