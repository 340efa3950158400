// Above the drawing: the epoch, the sample, and what the colours show.

function summaryText(trace) {
  const sizes = [trace.inputNames.length, ...trace.layers.map((layer) => layer.units)].join("-");
  const activations = [...new Set(trace.layers.map((layer) => layer.activation))].join(", ");
  return `${sizes} · ${activations} · ${trace.loss.replaceAll("_", " ")} · ${trace.optimizer.name} · ${trace.dtype}`;
}

/** The costs of a history as a line, with a dot where the slider is. */
function costLine() {
  const costs = state.traces.map((trace) => trace.cost);
  const finite = costs.filter(Number.isFinite);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const x = (place) => 3 + (114 * place) / (costs.length - 1);
  const y = (cost) => 29 - (26 * (cost - least)) / (most - least || 1);
  const points = costs.flatMap((cost, place) => (Number.isFinite(cost) ? [`${x(place)},${y(cost)}`] : []));
  const here = costs[state.traceIndex];
  return svg(
    "svg",
    { class: "cost-line", viewBox: "0 0 120 32", role: "img", "aria-label": `Cost from ${digits(costs[0], 3)} to ${digits(costs[costs.length - 1], 3)}` },
    svg("polyline", { points: points.join(" ") }),
    Number.isFinite(here) ? svg("circle", { cx: x(state.traceIndex), cy: y(here), r: 3 }) : null,
  );
}

/** Made once: a slider that were replaced while it is dragged would be let go. */
function epochControl() {
  const slider = h("input", {
    type: "range", id: "epoch", min: 0, max: state.traces.length - 1, step: 1, value: state.traceIndex,
    oninput: (event) => update({ traceIndex: Number(event.target.value) }),
  });
  const label = h("label", { for: "epoch" }, "Epoch");
  return h("div", { class: "control wide" }, label, slider, h("output", { for: "epoch" }), h("span", { id: "cost-line" }));
}

function drawEpoch() {
  const place = document.getElementById("epoch-control");
  if (state.traces.length < 2) return;
  if (!place.firstChild) place.append(epochControl());
  const { epoch, cost } = state.trace;
  document.getElementById("epoch").setAttribute("aria-valuetext", `epoch ${epoch}, cost ${digits(cost, 4)}`);
  place.querySelector("output").textContent = String(epoch);
  redraw(document.getElementById("cost-line"), costLine());
}

function sampleControl({ numbers }) {
  const options = numbers.map((name, s) => h("option", { value: s }, String(name)));
  const onchange = (event) => selectSample(Number(event.target.value));
  const choice = h("select", { id: "sample", "data-key": "sample", onchange }, options);
  return h("div", { class: "control" }, h("label", { for: "sample" }, "Sample"), choice);
}

/** Made once a trace: samples may be thousands, and take long to be put into the page. */
function drawSample() {
  const place = document.getElementById("sample-control");
  const { samples } = state.trace;
  if (samples.count > 1) samples.control ??= sampleControl(samples);
  if (place.firstChild !== (samples.control ?? null)) redraw(place, samples.control);
  if (samples.control) document.getElementById("sample").value = String(state.sample);
}

function showControl() {
  const choices = ["gradient", "weight"].map((show) =>
    h("label", null, h("input", {
      type: "radio", name: "show", value: show, "data-key": `show ${show}`, checked: state.show === show, onchange: () => update({ show }),
    }), ` ${show}`),
  );
  return h("fieldset", { class: "control" }, h("legend", null, "Colours show the"), choices);
}

function factsElement() {
  const { cost, costAfterStep, epoch } = state.trace;
  const fact = (name, ...values) => h("div", null, h("dt", null, name), h("dd", null, values));
  return h("dl", { class: "facts" },
    state.traces.length < 2 ? fact("epochs trained", String(epoch)) : null,
    fact("cost", number(cost, null, 4)),
    fact("after the next step", number(costAfterStep, null, 4)));
}

function drawControls() {
  document.getElementById("summary").textContent = summaryText(state.trace);
  drawEpoch();
  drawSample();
  redraw(document.getElementById("show-control"), showControl(), factsElement());
}

/** What the colours mean, and their scale; the sign is told by more than the colour. */
function drawLegend(isGraph) {
  const line = (name) => svg("svg", { viewBox: "0 0 34 10", "aria-hidden": "true" }, svg("path", { class: `line ${name}`, "stroke-width": "3", d: "M1,5H33" }));
  const swatch = (name) => h("span", { class: `swatch ${name}`, "aria-hidden": "true" });
  const key = isGraph ? line : swatch;
  const entry = (name, text) => h("span", null, key(name), ` ${text}`);
  const what = state.show === "gradient" ? "Gradient ∂C/∂w of the cost, whole batch:" : "Weight:";
  redraw(
    document.getElementById("legend"),
    h("span", null, what),
    entry("positive", "above 0"),
    entry("negative", "below 0"),
    entry("zero", "0"),
    hasUnknown() ? entry("unknown", "not a number") : null,
    h("span", null, isGraph ? "Width: size within the layer." : "Shade: square root of the size within the layer."),
  );
}

/** Where the numbers stand below the drawing, what was chosen is answered here, with the way to them. */
function drawBrief() {
  const { trace, item, sample } = state;
  const what = item.kind === "parameter"
    ? [largeMath(partial(mi("C"), parameterSymbol(item)), "="), " ", number(parameterAt(trace.layers[item.layer].gradient, item), null, 4)]
    : [math(handedOnSymbol(item.layer, item.unit), "="), " ", number(trace.handedOn(item.layer, sample, item.unit), null, 4)];
  redraw(document.getElementById("brief"), h("p", null, what), button("to numbers", "The numbers ↓", goToPanel, { class: "quiet" }));
}

function goToPanel() {
  panel.scrollIntoView({ block: "start" });
  panel.focus({ preventScroll: true });
}
