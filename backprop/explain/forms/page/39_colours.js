// Colours by sign and size, taken from the style sheet so that light and dark have their own.

/** Shades on either side of zero. */
const SHADES = 127;

/** Beyond them, the place of what is not a number. */
const UNKNOWN = SHADES + 1;

function colourScheme() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** A custom property of the style sheet, such as "#2d6cb5", as three numbers. */
function styleColour(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16));
}

function signClass(value) {
  if (Number.isNaN(value)) return "unknown";
  if (value === 0) return "zero";
  return value < 0 ? "negative" : "positive";
}

/** -127 to 127; by the square root, so that the small remain visible beside the largest. */
function shadeOf(value, most) {
  if (Number.isNaN(value)) return UNKNOWN;
  if (!(most > 0)) return 0;
  const size = Math.min(1, Math.sqrt(Math.abs(value) / most));
  return Math.round(SHADES * (value < 0 ? -size : size));
}

function shadeIndex(value, most) {
  return SHADES + shadeOf(value, most);
}

/** Red, green and blue of a number. */
function shade(value, most) {
  const place = shadeOf(value, most);
  if (place === UNKNOWN) return styleColour("--unknown");
  return mixed(place, styleColour("--zero"), styleColour(place < 0 ? "--negative" : "--positive"));
}

function mixed(place, zero, end) {
  const share = Math.abs(place) / SHADES;
  return zero.map((part, i) => Math.round(part + (end[i] - part) * share));
}

/** Every shade as a pixel of a canvas. */
function shadeTable() {
  const [zero, negative, positive] = ["--zero", "--negative", "--positive"].map(styleColour);
  const bytes = new Uint8ClampedArray(4 * (2 * SHADES + 2));
  for (let place = -SHADES; place <= SHADES; place++) {
    bytes.set([...mixed(place, zero, place < 0 ? negative : positive), 255], 4 * (place + SHADES));
  }
  bytes.set([...styleColour("--unknown"), 255], 4 * (UNKNOWN + SHADES));
  return new Uint32Array(bytes.buffer);
}

/** The largest size that is finite. */
function largestOf(values) {
  let most = 0;
  for (const value of values) {
    const size = Math.abs(value);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

/** The part of a layer that colours show: its gradients, or its weights. */
function shownPart(layer) {
  const own = state.trace.layers[layer];
  return state.show === "gradient" ? own.gradient : own;
}

/** What is drawn of a part: its weights, and its biases where it has some. */
function edgesOf({ weights, bias }) {
  return bias ? [weights, bias] : [weights];
}

/** Whether a number that the colours show is none. */
function hasUnknown() {
  const isUnknown = ({ data }) => data.some(Number.isNaN);
  return state.trace.layers.some((_, layer) => {
    const part = shownPart(layer);
    part.hasUnknown ??= edgesOf(part).some(isUnknown);
    return part.hasUnknown;
  });
}

function shownValue(item) {
  return parameterAt(shownPart(item.layer), item);
}

/** The size that has the full colour: each layer has its own scale. */
function largestShown(layer) {
  const part = shownPart(layer);
  part.largest ??= Math.max(...edgesOf(part).map(({ data }) => largestOf(data)));
  return part.largest;
}
