// What is chosen, and the drawing of everything from it.

const VIEWS = {
  product: { label: "Product", view: productView },
  steps: { label: "Step by step", view: stepsView },
  loss: { label: "Loss", view: lossView },
  batch: { label: "Batch", view: batchView },
  update: { label: "Update", view: updateView },
  quiz: { label: "Quiz", view: quizView },
  health: { label: "Health", view: healthView },
};

/** Views of what is chosen: they stay open when something else is chosen. */
const VIEWS_OF_THE_CHOSEN = ["product", "batch", "update"];

const state = {
  traces: readTraces(),
  traceIndex: 0,
  chosen: {
    item: null, // {kind: "parameter", layer, from, to} or {kind: "unit", layer, unit}
    sample: 0,
  },
  show: "gradient",
  hasAllDigits: false,
  tab: "product",
  way: null, // of several paths, the one that was opened: a unit of each layer
  step: 0,
  steps: null,
  quiz: null,
  score: { asked: 0, right: 0 },

  get trace() {
    return this.traces[this.traceIndex];
  },

  /** While the quiz is open, the page shows what it asks for; what was chosen waits. */
  get shown() {
    return this.tab === "quiz" ? { item: this.quiz.parameter, sample: this.quiz.sample } : this.chosen;
  },

  get item() {
    return this.shown.item;
  },

  get sample() {
    return this.shown.sample;
  },
};

function itemKey({ kind, layer, from, to, unit }) {
  return kind === "unit" ? `unit ${layer} ${unit}` : `parameter ${layer} ${from} ${to}`;
}

/** Changes what is shown, and draws it. */
function update(change) {
  Object.assign(state, { way: null }, change);
  const { chosen, trace } = state;
  chosen.sample = Math.min(chosen.sample, trace.samples.count - 1);
  if (state.tab === "quiz") matchQuiz();
  draw();
}

/** Chooses a unit, a weight or a bias. */
function select(item) {
  state.chosen.item = item;
  update({ tab: VIEWS_OF_THE_CHOSEN.includes(state.tab) ? state.tab : "product" });
}

/** Chooses a sample; the quiz then asks on it. */
function selectSample(sample) {
  state.chosen.sample = sample;
  if (state.tab === "quiz") askOnSample(sample);
  update({});
}

/** Begins where html.py says; else at the largest gradient, and the sample that adds most to it. */
function openPage() {
  const opening = readJson("opening");
  state.traceIndex = opening.trace ?? state.traces.length - 1;
  const [layer, from, to] = opening.weight ?? [];
  const parameter = opening.weight ? { kind: "parameter", layer, from, to } : largestGradient(state.trace, 0);
  state.chosen.sample = opening.sample ?? largest(state.trace.contributions(parameter), 1)[0];
  select(parameter);
}

const panel = document.getElementById("panel");
const tabs = document.getElementById("tabs");
const isGraph = fitsAGraph(state.trace);
const drawing = isGraph ? new Graph(state.trace) : new HeatMaps(state.trace);

function draw() {
  drawControls();
  drawing.paint();
  drawLegend(isGraph);
  drawBrief();
  drawAnswer();
  drawGuide();
  drawTabs();
  redraw(panel, ...[VIEWS[state.tab].view()].flat(Infinity));
}

function drawTabs() {
  const names = Object.keys(VIEWS);
  const tab = (name) => {
    const isOpen = name === state.tab;
    return button(`tab ${name}`, VIEWS[name].label, (event) => onTabClick(event, name), {
      role: "tab", id: `tab-${name}`, "aria-selected": String(isOpen), "aria-controls": "panel", tabindex: isOpen ? "0" : "-1",
    });
  };
  redraw(tabs, names.map(tab));
  panel.setAttribute("aria-labelledby", `tab-${state.tab}`);
}

/** Whoever clicks on the steps goes on in them with the arrow keys; a click by the keyboard has no detail. */
function onTabClick(event, name) {
  update({ tab: name });
  if (name === "steps" && event.detail > 0) panel.focus({ preventScroll: true });
}

/** The arrow keys open the tab beside, as is usual for tabs. */
function onTabsKey(event) {
  const names = Object.keys(VIEWS);
  const here = names.indexOf(state.tab);
  const goals = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: names.length - 1 };
  if (!(event.key in goals)) return;
  event.preventDefault();
  update({ tab: names[(goals[event.key] + names.length) % names.length] });
  document.getElementById(`tab-${state.tab}`).focus();
}

/** The address of the link would be looked up in the page around this one, such as a notebook. */
function onSkip(event) {
  event.preventDefault();
  goToPanel();
}

document.getElementById("network").append(drawing.element);
document.querySelector(".network").classList.toggle("of-heatmaps", !isGraph);
document.getElementById("skip").addEventListener("click", onSkip);
document.getElementById("all-digits").addEventListener("change", ({ target }) => update({ hasAllDigits: target.checked }));
tabs.addEventListener("keydown", onTabsKey);
panel.addEventListener("keydown", onStepsKey);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
openPage();
