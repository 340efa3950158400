// Central differences: what a loss, and the cost, do when one number is moved a little each way. For
// this the network is worked out again, in float64 and without any derivative.

/** The cube root of float64's epsilon: rounding and curvature then err about alike. */
const TRIAL_STEP = 6e-6;

/** Multiplications that a page may take for a trial of the cost: some tenths of a second. */
const MOST_TRIAL_WORK = 2e8;

const FUNCTIONS = {
  identity: (z) => z,
  sigmoid: (z) => 1 / (1 + Math.exp(-z)),
  tanh: Math.tanh,
  relu: (z) => Math.max(0, z),
};

/** log(Σ exp a), of numbers that may be large. */
function logSumExp(a) {
  const most = a.reduce((one, other) => Math.max(one, other), -Infinity);
  return most + Math.log(a.reduce((total, value) => total + Math.exp(value - most), 0));
}

/** A sample's loss, from its outputs a and targets y. */
const LOSSES = {
  squared_error: (a, y) => a.reduce((total, value, j) => total + (value - y[j]) ** 2 / 2, 0),
  sigmoid_cross_entropy: (a, y) =>
    a.reduce((total, value, j) => total + Math.max(value, 0) - value * y[j] + Math.log1p(Math.exp(-Math.abs(value))), 0),
  softmax_cross_entropy: (a, y) => {
    const all = logSumExp(a);
    return a.reduce((total, value, j) => total + (y[j] === 0 ? 0 : y[j] * (all - value)), 0);
  },
};

function preActivations({ inputs, units, weights, bias }, input) {
  const z = Float64Array.from(bias.data);
  for (let from = 0; from < inputs; from++) {
    const row = from * units;
    for (let to = 0; to < units; to++) z[to] += input[from] * weights.data[row + to];
  }
  return z;
}

/** A sample's input, and each layer's z on it; kept, as every trial begins with them. */
function forward(trace, sample) {
  trace.forwards ??= new Map();
  if (!trace.forwards.has(sample)) {
    const { x } = trace.samples;
    const input = Float64Array.from(x.data.subarray(sample * x.cols, (sample + 1) * x.cols));
    const zs = [];
    let a = input;
    for (const layer of trace.layers) {
      zs.push(preActivations(layer, a));
      a = zs[zs.length - 1].map(FUNCTIONS[layer.activation]);
    }
    trace.forwards.set(sample, { input, zs });
  }
  return trace.forwards.get(sample);
}

/** A sample's loss after one parameter was moved: from its layer on, all is worked out again. */
function lossWhenMoved(trace, sample, { layer, from, to }, by) {
  const { input, zs } = forward(trace, sample);
  const below = layer === 0 ? input : zs[layer - 1].map(FUNCTIONS[trace.layers[layer - 1].activation]);
  const z = zs[layer].slice();
  z[to] += by * (from === BIAS ? 1 : below[from]);
  let a = z.map(FUNCTIONS[trace.layers[layer].activation]);
  for (const above of trace.layers.slice(layer + 1)) a = preActivations(above, a).map(FUNCTIONS[above.activation]);
  const { y } = trace.samples;
  return LOSSES[trace.loss](a, y.data.subarray(sample * y.cols, (sample + 1) * y.cols));
}

/** (f(w + h) − f(w − h)) / 2h, where `f` takes what w is moved by. */
function centralDifference(trace, parameter, f) {
  const held = parameterAt(trace.layers[parameter.layer], parameter);
  const step = TRIAL_STEP * Math.max(1, Math.abs(held));
  const [above, below] = [held + step, held - step]; // as rounded
  return (f(above - held) - f(below - held)) / (above - below);
}

function sampleDifference(trace, sample, parameter) {
  return centralDifference(trace, parameter, (by) => lossWhenMoved(trace, sample, parameter, by));
}

/** Of the cost: the trace's own, or worked out here; null where that would take long. */
function costDifference(trace, parameter) {
  const { difference } = trace.layers[parameter.layer];
  if (difference) return parameterAt(difference, parameter);
  const weights = sum(trace.layers.map(({ inputs, units }) => inputs * units));
  const { count, share } = trace.samples;
  if (weights * count > MOST_TRIAL_WORK) return null;
  const weighing = [...Array(count).keys()].filter((sample) => share.at(0, sample) > 0);
  const cost = (by) => sum(weighing.map((sample) => share.at(0, sample) * lossWhenMoved(trace, sample, parameter, by)));
  return centralDifference(trace, parameter, cost);
}
