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
    button(`unit ${layer} ${unit}`, state.trace.unitName(layer, unit), () => update({ item: { kind: "unit", layer, unit }, tab: "product" }), { class: "quiet" }),
  );
  const others = units.length - shown.length;
  return h("p", { class: "units" }, shown, others > 0 ? ` and ${others} others` : null);
}

/** How large gradients are from layer to layer. */
function layersTable() {
  const rootMeanSquare = ({ data }) => Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
  const rows = state.trace.layers.map((layer) => {
    const gradient = rootMeanSquare(layer.gradient.weights);
    const weights = rootMeanSquare(layer.weights);
    return [layer.name, number(weights, null, 3), number(gradient, null, 3), number(rootMeanSquare(layer.step.weights) / weights, null, 3)];
  });
  return table("Layer by layer (root mean squares of the weights)", ["layer", "weights", "gradients", "next step / weights"], rows);
}
