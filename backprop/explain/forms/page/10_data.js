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

function unpackParameters(part) {
  return part && { weights: new Matrix(part.weights), bias: new Matrix(part.bias) };
}

/** What a derivative is multiplied with on its way back through a layer; a kind is called by its label. */
function unpackFactors(raw) {
  const nameOf = (label) => Object.keys(KINDS).find((name) => KINDS[name].label === label);
  return raw.map(({ kind, note, values, scales_output: scalesOutput }) =>
    ({ kind: nameOf(kind), note, scalesOutput, values: new Matrix(values) }));
}

function unpackLayer(raw) {
  const layer = { name: raw.name, units: raw.n_out, inputs: raw.n_in, activation: raw.activation, function: raw.function };
  for (const name of ["weights", "bias", "z", "a", "da", "dz"]) {
    layer[name] = new Matrix(raw[name]);
  }
  layer.factors = unpackFactors(raw.factors);
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
  return samples;
}

/** One trace: a batch's way through the network, and back. */
class Trace {
  constructor(raw) {
    this.dtype = raw.dtype;
    this.loss = raw.loss_function;
    this.lossFunction = raw.loss_entry;
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

  factorOf(kind, layer) {
    return this.factors(layer).find((factor) => factor.kind === kind);
  }

  /** Those which what is handed on has too, such as the mask of dropout. */
  scaling(layer) {
    return this.factors(layer).filter(({ scalesOutput }) => scalesOutput);
  }

  /** Whether the step drops inputs, or outputs of a layer. */
  get drops() {
    return [INPUTS, ...this.layers.keys()].some((layer) => this.factorOf("mask", layer));
  }

  /** What a unit hands on to the next layer. */
  handedOn(layer, sample, unit) {
    return this.scaling(layer).reduce((value, { values }) => value * values.at(sample, unit), this.activation(layer, sample, unit));
  }

  /** What a parameter is multiplied with. */
  input({ layer, from }, sample) {
    return from === BIAS ? 1 : this.handedOn(layer - 1, sample, from);
  }

  /** What a sample adds to the gradient of the cost. */
  contribution(parameter, sample) {
    return this.samples.share.at(0, sample) * this.sampleGradient(parameter, sample);
  }

  contributions(parameter) {
    return Array.from({ length: this.samples.count }, (_, sample) => this.contribution(parameter, sample));
  }

  /** The derivative of one sample's own loss by a parameter. */
  sampleGradient(parameter, sample) {
    return this.layers[parameter.layer].dz.at(sample, parameter.to) * this.input(parameter, sample);
  }

  unitName(layer, unit) {
    if (layer === INPUTS) return this.inputNames[unit];
    if (layer === this.last) return this.outputNames[unit];
    return `${this.layers[layer].name}, unit ${unit + 1}`;
  }

  parameterName({ layer, from, to }) {
    const target = this.unitName(layer, to);
    return from === BIAS ? `bias of ${target}` : `weight from ${this.unitName(layer - 1, from)} to ${target}`;
  }
}

/** A parameter's number in a part of a layer: the layer itself, its gradient, its step. */
function parameterAt(part, { from, to }) {
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
