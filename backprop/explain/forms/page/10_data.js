// What html.py packed: traces of one network, their arrays as base64.

/** A table of numbers, decoded when its first number is asked for. A list is a table of one row. */
class Matrix {
  constructor({ type, shape, base64 }) {
    [this.rows, this.cols] = shape.length === 1 ? [1, shape[0]] : shape;
    this.type = type;
    this.base64 = base64;
    this.decoded = null;
  }

  get data() {
    if (this.decoded === null) {
      const bytes = Uint8Array.from(atob(this.base64), (character) => character.charCodeAt(0));
      this.decoded = this.type === "f4" ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
      this.base64 = null;
    }
    return this.decoded;
  }

  at(row, col) {
    return this.data[row * this.cols + col];
  }
}

/** The `from` of a bias: its input is the constant 1. */
const BIAS = -1;

/** The layer that stands for the network's inputs. */
const INPUTS = -1;

/** A number of the JSON, which has none that are not finite. */
function realNumber(value) {
  return typeof value === "string" ? { nan: NaN, inf: Infinity, "-inf": -Infinity }[value] : value;
}

function realNumbers(named) {
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [name, realNumber(value)]));
}

/** A table for each parameter by its name; null for a bias that there is none of. */
function unpackParameters(part) {
  return part && Object.fromEntries(Object.entries(part).map(([name, own]) => [name, own && new Matrix(own)]));
}

/** What a derivative is multiplied with on its way back through a layer; a kind is called by its label. */
function unpackFactors(raw) {
  const nameOf = (label) => Object.keys(KINDS).find((name) => KINDS[name].label === label);
  return raw.map(({ kind, note, values, scales_output: scalesOutput, n_indices: indices }) =>
    ({ kind: nameOf(kind), note, scalesOutput, indices, values: new Matrix(values) }));
}

function unpackNorm(raw) {
  if (raw === null) return null;
  const tables = ["mean", "deviation", "n", "y", "dy", "dn"].map((name) => [name, new Matrix(raw[name])]);
  return { ...raw, ...Object.fromEntries(tables) };
}

/** What each unit learns beside its weights and bias. */
function unpackLearned(raw) {
  return raw.map((one) => ({ ...one, inputs: new Matrix(one.inputs), values: new Matrix(one.values) }));
}

function unpackLayer(raw) {
  const { residual, remarks, frozen } = raw;
  const layer = { name: raw.name, units: raw.n_out, inputs: raw.n_in, activation: raw.activation, function: raw.function, residual, remarks, frozen };
  for (const name of ["weights", "bias", "z", "a", "da", "dz", "out"]) {
    layer[name] = raw[name] && new Matrix(raw[name]);
  }
  layer.factors = unpackFactors(raw.factors);
  layer.gathered = unpackFactors(raw.gathered);
  layer.terms = raw.terms.map((term) => ({ ...term, values: new Matrix(term.values) }));
  layer.norm = unpackNorm(raw.norm);
  layer.learned = unpackLearned(raw.learned);
  for (const { name, values } of layer.learned) layer[name] = values;
  layer.ownRate = raw.own_rate;
  layer.gradient = unpackParameters(raw.gradient);
  layer.difference = unpackParameters(raw.finite_difference);
  layer.step = unpackParameters(raw.step);
  layer.limit = raw.limit && { ...raw.limit, units: raw.limit.units.map(realNumbers) };
  return layer;
}

/** What the samples are called: rows of a file count from 1, and so does the page where Python counts from 0. */
function sampleNumbers(index) {
  return index.includes(0) ? index.map((place) => place + 1) : index;
}

/** The optimizer, and of each of its moments the parameters' numbers layer by layer. */
function unpackOptimizer(raw) {
  const settings = raw.settings.map((setting) => ({ ...setting, value: realNumber(setting.value) }));
  const moments = Object.values(raw.moments).map(({ symbol, before }) => [symbol, before.map(unpackParameters)]);
  return { ...raw, settings, moments };
}

function unpackSamples(raw) {
  const samples = { numbers: sampleNumbers(raw.index), count: raw.index.length };
  for (const name of ["x", "y", "output", "share", "loss"]) samples[name] = new Matrix(raw[name]);
  samples.lossSlopes = raw.loss_slopes && new Matrix(raw.loss_slopes);
  return samples;
}

/** One trace: a batch's way through the network, and back. */
class Trace {
  constructor(raw) {
    this.dtype = raw.dtype;
    this.loss = raw.loss_function;
    this.lossFunction = raw.loss_entry;
    this.mixesSamples = raw.derivatives_of === "cost";
    this.epoch = raw.epoch;
    this.cost = realNumber(raw.cost);
    this.costAfterStep = realNumber(raw.cost_after_step);
    this.optimizer = unpackOptimizer(raw.optimizer);
    this.diagnostics = raw.diagnostics;
    this.inputNames = raw.inputs.names;
    this.outputNames = raw.outputs.names;
    this.labelSmoothing = raw.outputs.label_smoothing ?? 0;
    this.targetScale = raw.outputs.scale ?? null;
    this.inputFactors = unpackFactors(raw.inputs.factors);
    this.layers = raw.layers.map(unpackLayer);
    this.samples = unpackSamples(raw.samples);
    this.last = this.layers.length - 1;
    this.samples.lossSlopes ??= this.layers[this.last].da;
  }

  units(layer) {
    return layer === INPUTS ? this.inputNames.length : this.layers[layer].units;
  }

  /** A unit's activation, or an input's value. */
  activation(layer, sample, unit) {
    return layer === INPUTS
      ? this.samples.x.at(sample, unit)
      : this.layers[layer].a.at(sample, unit);
  }

  /** From the derivative by what a layer hands on back to that by its z. */
  factors(layer) {
    return layer === INPUTS ? this.inputFactors : this.layers[layer].factors;
  }

  /** What a norm's mean and deviation pass on beside a unit's own derivative. */
  gathered(layer) {
    return layer === INPUTS ? [] : this.layers[layer].gathered;
  }

  factorOf(kind, layer) {
    return [...this.factors(layer), ...this.gathered(layer)].find((factor) => factor.kind === kind);
  }

  /** What is added to a layer's outputs. */
  terms(layer) {
    return layer === INPUTS ? [] : this.layers[layer].terms;
  }

  learnedAs({ layer, from }) {
    return this.layers[layer].learned.find(({ name }) => name === from);
  }

  /** Those which what is handed on has too, such as the mask of dropout. */
  scaling(layer) {
    return this.factors(layer).filter(({ scalesOutput }) => scalesOutput);
  }

  /** Whether the step drops inputs, or outputs of a layer. */
  get drops() {
    return [INPUTS, ...this.layers.keys()].some((layer) => this.factorOf("mask", layer));
  }

  /** Whether that is not its activation: then it has a tilde. */
  isChanged(layer) {
    return this.scaling(layer).length + this.terms(layer).length > 0;
  }

  /** What a unit hands on to the next layer. */
  handedOn(layer, sample, unit) {
    if (layer !== INPUTS) return (this.layers[layer].out ?? this.layers[layer].a).at(sample, unit);
    return this.scaling(layer).reduce((value, { values }) => value * values.at(sample, unit), this.activation(layer, sample, unit));
  }

  /** What a parameter is multiplied with. */
  input(parameter, sample) {
    const { layer, from, to } = parameter;
    if (from === BIAS) return 1;
    return isLearned(parameter) ? this.learnedAs(parameter).inputs.at(sample, to) : this.handedOn(layer - 1, sample, from);
  }

  /** What a sample's derivatives are multiplied with in the gradient: 1 where they are those of the cost. */
  part(sample) {
    return this.mixesSamples ? 1 : this.samples.share.at(0, sample);
  }

  /** What a sample adds to the gradient of the cost. */
  contribution(parameter, sample) {
    return this.part(sample) * this.sampleGradient(parameter, sample);
  }

  contributions(parameter) {
    return Array.from({ length: this.samples.count }, (_, sample) => this.contribution(parameter, sample));
  }

  /** The derivative that meets a parameter's input: by its unit's z, or by what it shapes. */
  meeting(parameter, sample) {
    const { layer, to } = parameter;
    const { da, dz } = this.layers[layer];
    if (!isLearned(parameter)) return dz.at(sample, to);
    const passed = this.factors(layer).slice(0, this.learnedAs(parameter).depth);
    return passed.reduce((product, { values }) => product * values.at(sample, to), da.at(sample, to));
  }

  /** The derivative of one sample's own loss by a parameter; where samples are mixed, its part of the cost's. */
  sampleGradient(parameter, sample) {
    return this.meeting(parameter, sample) * this.input(parameter, sample);
  }

  unitName(layer, unit) {
    if (layer === INPUTS) return this.inputNames[unit];
    if (layer === this.last) return this.outputNames[unit];
    return `${this.layers[layer].name}, unit ${unit + 1}`;
  }

  parameterName(parameter) {
    const { layer, from, to } = parameter;
    const target = this.unitName(layer, to);
    if (isLearned(parameter)) return `${from.replaceAll("_", " ")} of ${target}`;
    return from === BIAS ? `bias of ${target}` : `weight from ${this.unitName(layer - 1, from)} to ${target}`;
  }
}

/** Whether a parameter is neither a weight nor a bias: its `from` is its name. */
const isLearned = ({ from }) => typeof from === "string";

const isWeight = (parameter) => !isLearned(parameter) && parameter.from !== BIAS;

/** A parameter's number in a part of a layer: the layer itself, its gradient, its step. */
function parameterAt(part, parameter) {
  const { from, to } = parameter;
  if (isLearned(parameter)) return part[from].at(0, to);
  return from === BIAS ? part.bias.at(0, to) : part.weights.at(from, to);
}

/** The weight of a layer whose gradient is the largest. */
function largestGradient(trace, layer) {
  const { data, cols } = trace.layers[layer].gradient.weights;
  let best = 0;
  for (let place = 1; place < data.length; place++) {
    if (Math.abs(data[place]) > Math.abs(data[best])) best = place;
  }
  return { kind: "parameter", layer, from: Math.floor(best / cols), to: best % cols };
}

function readJson(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

function readTraces() {
  return readJson("traces").map((raw) => new Trace(raw));
}

/** The places of the largest numbers, by size, and in their own order. */
function largest(numbers, count) {
  const places = Array.from(numbers, (_, place) => place);
  if (places.length <= count) return places;
  const size = (place) => Math.abs(numbers[place]) || 0;
  return places
    .sort((one, other) => size(other) - size(one))
    .slice(0, count)
    .sort((one, other) => one - other);
}

const sum = (numbers) => numbers.reduce((total, value) => total + value, 0);
