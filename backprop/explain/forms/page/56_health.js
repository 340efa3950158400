// Diagnostics: what looks unwell, and what to try.

const MOST_UNITS_LISTED = 24;

function healthView() {
  const { diagnostics } = state.trace;
  const found = diagnostics.map(({ kind, layer, units, message, advice }) =>
    h(
      "li",
      { class: "finding" },
      h("h3", null, capital(kind)),
      h("p", null, message),
      advice ? h("p", { class: "note" }, `Try: ${advice}`) : null,
      unitButtons(layer, units ?? []),
    ),
  );
  return [
    h("h2", null, "Health"),
    diagnostics.length
      ? h("ul", { class: "findings" }, found)
      : h("p", { class: "lead" }, "Nothing looks unwell: no dead or saturated units, no gradient that vanishes or explodes from layer to layer."),
    layersTable(),
  ];
}

function unitButtons(layer, units) {
  const inTrace = layer >= 0 && layer <= state.trace.last;
  if (!inTrace || !units.length) return null;
  const shown = units.slice(0, MOST_UNITS_LISTED).map((unit) =>
    button(`unit ${layer} ${unit}`, state.trace.unitName(layer, unit), () => select({ kind: "unit", layer, unit }), { class: "quiet" }),
  );
  const others = units.length - shown.length;
  return h("p", { class: "units" }, shown, others > 0 ? ` and ${others} others` : null);
}

function rootMeanSquare({ data }) {
  return Math.sqrt(data.reduce((total, value) => total + value * value, 0) / data.length);
}

/** How large weights and derivatives are, and what becomes of ∂ℓ/∂z from a layer to the one below. */
function layersTable() {
  const { layers, last } = state.trace;
  const back = layers.map(({ dz }) => rootMeanSquare(dz));
  const rows = layers.map((layer, l) => {
    const weights = rootMeanSquare(layer.weights);
    const numbers = [weights, rootMeanSquare(layer.gradient.weights), rootMeanSquare(layer.step.weights) / weights, back[l]];
    const ratio = l === last ? "–" : number(back[l] / back[l + 1], null, 3);
    return [layer.name, ...numbers.map((value) => number(value, null, 3)), ratio];
  });
  return [
    h("h3", null, "Layer by layer"),
    h("p", { class: "note" }, "Root mean squares, over all weights of a layer, and for ∂ℓ/∂z over its units and the samples. The ratio is that of ∂ℓ/∂z to the next layer’s: one far below 1 makes gradients vanish on their way back, one far above 1 makes them explode."),
    table("Sizes from layer to layer", ["layer", "weights", "gradients", "next step / weights", "∂ℓ/∂z", "ratio to next"], rows),
  ];
}
