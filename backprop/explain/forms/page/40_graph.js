// The network as a graph: one shape for each unit, weight and bias. The drawing is one stop of the
// Tab key; inside it the arrow keys go from shape to shape, and what has the focus is chosen.

const MOST_UNITS_DRAWN = 12;
const MOST_EDGES_DRAWN = 120;
const MOST_EDGES_LABELLED = 20;

/** A bias is drawn above its unit, a little to the left: below is the unit's name. */
const BIAS_PLACE = { x: -24, y: -47 };

function fitsAGraph(trace) {
  const edges = trace.layers.reduce((count, layer) => count + layer.inputs * layer.units, 0);
  const widest = Math.max(trace.inputNames.length, ...trace.layers.map((layer) => layer.units));
  return widest <= MOST_UNITS_DRAWN && edges <= MOST_EDGES_DRAWN;
}

class Graph {
  constructor(trace) {
    this.trace = trace;
    const sizes = [trace.inputNames.length, ...trace.layers.map((layer) => layer.units)];
    const tallest = Math.max(...sizes);
    this.isNarrow = matchMedia("(max-width: 40rem)").matches;
    this.radius = this.isNarrow ? 24 : 27;
    this.rowHeight = tallest <= 4 ? 124 : 102;
    this.columnWidth = this.isNarrow ? 118 : sizes.length <= 3 ? 210 : 160;
    this.margin = this.isNarrow ? 42 : 76;
    this.labelLength = this.isNarrow ? 6 : 7;
    this.nameLength = this.isNarrow ? 11 : 18;
    this.height = tallest * this.rowHeight + 44;
    this.width = (sizes.length - 1) * this.columnWidth + 2 * this.margin;
    this.sizes = sizes;
    this.shapes = this.allShapes();
    this.hasLabels = this.shapes.filter(({ item }) => item.kind === "parameter").length <= MOST_EDGES_LABELLED;
    this.element = this.draw();
  }

  /** Where a unit's centre is. */
  place(layer, unit) {
    const size = this.sizes[layer + 1];
    const top = (this.height - size * this.rowHeight) / 2;
    return [this.margin + (layer + 1) * this.columnWidth, top + (unit + 0.5) * this.rowHeight + 10];
  }

  allShapes() {
    const shapes = [];
    const add = (column, item) => shapes.push({ column, item });
    for (let unit = 0; unit < this.sizes[0]; unit++) add(0, { kind: "unit", layer: INPUTS, unit });
    this.trace.layers.forEach((layer, l) => {
      for (let from = 0; from < layer.inputs; from++) {
        for (let to = 0; to < layer.units; to++) add(2 * l + 1, { kind: "parameter", layer: l, from, to });
      }
      for (let to = 0; to < layer.units && layer.bias; to++) add(2 * l + 1, { kind: "parameter", layer: l, from: BIAS, to });
      for (let unit = 0; unit < layer.units; unit++) add(2 * l + 2, { kind: "unit", layer: l, unit });
    });
    return shapes;
  }

  draw() {
    const edges = this.shapes.filter(({ item }) => item.kind === "parameter");
    const units = this.shapes.filter(({ item }) => item.kind === "unit");
    for (const shape of edges) this.drawEdge(shape);
    for (const shape of units) this.drawUnit(shape);
    this.straights = this.straightRoads();
    const titles = this.sizes.map((_, column) => this.columnTitle(column - 1));
    const graph = svg(
      "svg",
      {
        class: "graph",
        viewBox: `0 0 ${this.width} ${this.height}`,
        role: "listbox",
        "aria-label": "Units, weights and biases of the network; the arrow keys go from one to the next",
        "aria-orientation": "horizontal",
        onkeydown: (event) => this.onKey(event),
      },
      svg("g", { "aria-hidden": "true" }, titles, this.straights.map(({ element }) => element)),
      edges.map((shape) => shape.element),
      units.map((shape) => shape.element),
    );
    // Smaller than drawn it could not be read: on a phone it scrolls instead.
    graph.style.minWidth = `${this.isNarrow ? this.width : 0.8 * this.width}px`;
    graph.style.maxWidth = `${1.3 * this.width}px`;
    return h("div", { class: "graph-scroll" }, graph);
  }

  /** The roads past the weights of a layer whose inputs are added to its outputs, a little above the edges. */
  straightRoads() {
    return this.trace.layers.flatMap(({ residual, units }, layer) =>
      Array.from({ length: residual ? units : 0 }, (_, unit) => {
        const [[x1, y1], [x2, y2]] = [this.place(layer - 1, unit), this.place(layer, unit)];
        const d = `M${x1},${y1}Q${(x1 + x2) / 2},${Math.min(y1, y2) - 0.62 * this.rowHeight} ${x2},${y2}`;
        return { layer, unit, element: svg("path", { class: "straight-road", d }) };
      }));
  }

  columnTitle(layer) {
    const [x] = this.place(layer, 0);
    const line = (text, y) => svg("text", { class: "column-title", x, y }, text);
    if (layer === INPUTS) return line("inputs", 14);
    const { name, activation, remarks } = this.trace.layers[layer];
    const lines = this.isNarrow ? [name, activation] : [`${name} · ${activation}`];
    if (remarks.length) lines.push(shortened(remarks.join(", "), this.nameLength + 3)); // the unit's view has all of them
    return lines.map((text, place) => line(text, 14 + 14 * place));
  }

  option(shape, ...children) {
    const { item } = shape;
    shape.element = svg(
      "g",
      {
        role: "option",
        tabindex: "-1",
        class: item.kind === "unit" ? "unit" : "edge",
        "data-item": itemKey(item),
        onclick: () => select(item),
        onfocus: () => itemKey(item) === itemKey(state.item) || select(item),
      },
      children,
    );
  }

  drawEdge(shape) {
    const { layer, from, to } = shape.item;
    const [x2, y2] = this.place(layer, to);
    const isBias = from === BIAS;
    const [x1, y1] = isBias ? [x2 + BIAS_PLACE.x, y2 + BIAS_PLACE.y] : this.place(layer - 1, from);
    const d = `M${x1},${y1}L${x2},${y2}`;
    shape.line = svg("path", { class: "line", d });
    shape.label = this.hasLabels ? this.edgeLabel(isBias, [x1, y1], [x2, y2]) : null;
    const box = isBias
      ? [
          svg("circle", { class: "bias-target", cx: x1, cy: y1, r: 13 }),
          svg("rect", { class: "bias", x: x1 - 9, y: y1 - 9, width: 18, height: 18, rx: 4 }),
          svg("text", { class: "bias-label", x: x1, y: y1 + 4 }, "b"),
        ]
      : [];
    // Without it, the dashes of a line would go on as the minus of its label.
    shape.ground = shape.label && svg("rect", { class: "label-ground", rx: 3 });
    this.option(shape, svg("path", { class: "halo", d }), svg("path", { class: "target", d }), shape.line, box, shape.ground, shape.label);
  }

  /** Beside the unit that the edge comes from: further on it would cross others. */
  edgeLabel(isBias, [x1, y1], [x2, y2]) {
    if (isBias) return svg("text", { class: "edge-label of-bias", x: x1 + 14, y: y1 + 4 });
    const along = (this.radius + (this.isNarrow ? 25 : 34)) / this.columnWidth;
    return svg("text", { class: "edge-label", x: x1 + (x2 - x1) * along, y: y1 + (y2 - y1) * along + 4 });
  }

  drawUnit(shape) {
    const { layer, unit } = shape.item;
    const [x, y] = this.place(layer, unit);
    shape.value = svg("text", { class: "unit-value", x, y: y + 4 });
    const isEnd = layer === INPUTS || layer === this.trace.last;
    const whole = isEnd ? this.trace.unitName(layer, unit) : `unit ${unit + 1}`;
    const name = shortened(whole, this.nameLength);
    shape.name = svg("text", { class: "unit-name", x, y: y + this.radius + 15 }, name);
    shape.title = svg("title", null, name === whole ? "" : whole);
    this.option(
      shape,
      shape.title,
      svg("circle", { cx: x, cy: y, r: this.radius }),
      shape.value,
      shape.name,
    );
  }

  /** A wider name of an input would reach the labels of its edges. Only what is on the page has a width. */
  fitInputNames() {
    const room = this.isNarrow ? 48 : 64;
    for (const { item, name, title } of this.shapes) {
      if (item.kind !== "unit" || item.layer !== INPUTS) continue;
      const whole = this.trace.unitName(INPUTS, item.unit);
      for (let length = this.nameLength - 1; name.getComputedTextLength() > room && length > 1; length--) {
        name.textContent = shortened(whole, length);
        title.textContent = whole;
      }
    }
  }

  /** Colours, widths and names for a trace, a sample and what is chosen. */
  paint() {
    if (this.hasLabels) this.fitInputNames();
    const scales = state.trace.layers.map((_, layer) => largestShown(layer));
    const way = wayBeingRead();
    for (const shape of this.shapes) {
      const { item, element } = shape;
      const isChosen = itemKey(item) === itemKey(state.item);
      element.setAttribute("aria-selected", String(isChosen));
      element.setAttribute("tabindex", isChosen ? "0" : "-1");
      element.classList.toggle("on-path", isOnPath(item));
      element.classList.toggle("reading", isOnWay(item, way));
      element.classList.toggle("lit", isLit(item));
      element.setAttribute("aria-label", describe(item));
      if (item.kind === "unit") {
        shape.value.textContent = shortDigits(state.trace.handedOn(item.layer, state.sample, item.unit), this.labelLength);
        element.classList.toggle("dropped", isDropped(item));
      } else {
        this.paintEdge(shape, scales[item.layer]);
      }
    }
    for (const { layer, unit, element } of this.straights) {
      const onWay = way?.[layer - state.item.layer];
      element.classList.toggle("reading", Boolean(onWay?.isStraight && onWay.unit === unit && layer > state.item.layer));
    }
    if (!this.shapes.some(({ element }) => element.getAttribute("tabindex") === "0")) {
      this.shapes[0].element.setAttribute("tabindex", "0");
    }
  }

  paintEdge({ item, line, label, ground }, largest) {
    const value = shownValue(item);
    const share = Math.min(1, Math.abs(value) / largest) || 0;
    line.setAttribute("stroke-width", String(1 + 6 * share));
    line.setAttribute("class", `line ${signClass(value)}`);
    if (!label) return;
    label.textContent = shortDigits(value, this.labelLength);
    const { x, y, width, height } = label.getBBox();
    fill(ground, { x: x - 4, y, width: width + 8, height }, []);
  }

  /** Up and down inside a column, left and right from column to column. */
  onKey(event) {
    const here = this.shapes.findIndex(({ element }) => element === document.activeElement);
    if (here < 0) return;
    const { column } = this.shapes[here];
    const inColumn = (wanted) => this.shapes.filter((shape) => shape.column === wanted);
    const mine = inColumn(column);
    const row = mine.indexOf(this.shapes[here]);
    const nextColumn = (by) => {
      const others = inColumn(column + by);
      return others[Math.min(others.length - 1, Math.floor((row / mine.length) * others.length))];
    };
    const goals = {
      ArrowUp: () => mine[row - 1],
      ArrowDown: () => mine[row + 1],
      ArrowLeft: () => nextColumn(-1),
      ArrowRight: () => nextColumn(1),
      Home: () => this.shapes[0],
      End: () => this.shapes[this.shapes.length - 1],
    };
    if (!(event.key in goals)) return;
    event.preventDefault();
    goals[event.key]()?.element.focus();
  }
}

/** Digits that fit into a circle or on an edge: three of them, or fewer. */
function shortDigits(value, length) {
  const texts = [3, 2, 1].map((precision) => digits(value, precision).replace(" × ", "·"));
  return texts.find((text) => text.length <= length) ?? texts[2];
}

function shortened(text, length) {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/** On one of the ways from what is chosen to the outputs. */
function isOnPath(item) {
  const chosen = state.item;
  const [layer, unit] = chosen.kind === "unit" ? [chosen.layer, chosen.unit] : [chosen.layer, chosen.to];
  if (item.kind === "unit") return item.layer > layer || (item.layer === layer && item.unit === unit);
  if (item.from === BIAS) return false;
  return item.layer > layer + 1 || (item.layer === layer + 1 && item.from === unit);
}

/** Of the path that is being read: the one that is open, or that the quiz asks for. */
function wayBeingRead() {
  const { tab, quiz, item, trace, sample } = state;
  if (tab === "quiz") return quiz.path.way;
  if (tab !== "product" || item.kind !== "parameter") return null;
  return state.way ?? chainOf(trace, sample, item).largest.way;
}

function isOnWay(item, way) {
  if (way === null) return false;
  const place = item.layer - state.item.layer;
  const here = way[place];
  if (here === undefined) return false;
  if (item.kind === "unit") return here.unit === item.unit;
  return place > 0 && !here.isStraight && here.unit === item.to && way[place - 1].unit === item.from;
}

/** Part of the step that the step-by-step view has come to. */
function isLit(item) {
  if (state.tab !== "steps") return false;
  const { lit } = currentStep();
  return lit !== undefined && lit.layer === item.layer && lit.kind === item.kind;
}

/** Whether the step drops a unit, or an input, of the sample that is shown. */
function isDropped({ layer, unit }) {
  return state.trace.factorOf("mask", layer)?.values.at(state.sample, unit) === 0;
}

function describe(item) {
  const { trace, sample } = state;
  if (item.kind === "unit") {
    const value = digits(trace.handedOn(item.layer, sample, item.unit), 4);
    return `${trace.unitName(item.layer, item.unit)}, value ${value}${isDropped(item) ? ", dropped" : ""}`;
  }
  const layer = trace.layers[item.layer];
  const weight = digits(parameterAt(layer, item), 4);
  const gradient = digits(parameterAt(layer.gradient, item), 4);
  return `${trace.parameterName(item)}: ${weight}, gradient ${gradient}`;
}
