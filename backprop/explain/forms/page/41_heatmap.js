// Layers too wide for a graph: each weight matrix is a picture, one pixel a weight, and under the
// chosen layer's picture a window of cells around the chosen weight. Columns are the units that a
// weight comes from, rows those that it goes to.

const WINDOW_COLUMNS = 17;
const WINDOW_ROWS = 9;

class HeatMaps {
  constructor(trace) {
    this.layers = trace.layers.map((layer, l) => this.overview(trace, layer, l));
    this.window = h("div", { class: "window" });
    this.element = h("div", { class: "heatmaps" }, this.layers.map(({ element }) => element), this.window);
    this.painted = null;
    this.places = trace.layers.map(() => ({ from: 0, to: 0 }));
  }

  overview(trace, layer, l) {
    const title = [`${layer.name}: ${layer.inputs} × ${layer.units}`, layer.activation, ...layer.remarks].join(", ");
    const canvas = h("canvas", {
      width: layer.inputs,
      height: layer.units,
      role: "img",
      "aria-label": `${title}; a picture of its weights. The window of cells below it goes through them one by one.`,
      onclick: (event) => this.onClick(event, l),
    });
    canvas.style.height = `${Math.min(220, Math.max(48, layer.units * 8))}px`;
    const frame = h("div", { class: "frame", "aria-hidden": "true" });
    const open = button(`layer ${l}`, "Look inside", () => select(largestGradient(state.trace, l)), {
      class: "quiet",
      "aria-label": `Look inside ${layer.name}`,
    });
    const element = h(
      "div",
      { class: "heatmap" },
      h("div", { class: "heatmap-title" }, h("h3", null, title), open),
      h("div", { class: "picture" }, canvas, frame),
    );
    return { element, canvas, frame };
  }

  /** The weight under the pointer. */
  onClick(event, layer) {
    const box = event.currentTarget.getBoundingClientRect();
    const { inputs, units } = state.trace.layers[layer];
    const along = (part, count) => Math.min(count - 1, Math.max(0, Math.floor(part * count)));
    select({
      kind: "parameter",
      layer,
      from: along((event.clientX - box.left) / box.width, inputs),
      to: along((event.clientY - box.top) / box.height, units),
    });
  }

  paint() {
    const drawn = [state.traceIndex, state.show, colourScheme()].join();
    if (drawn !== this.painted) {
      this.layers.forEach(({ canvas }, layer) => paintMatrix(canvas, shownPart(layer).weights, largestShown(layer)));
      this.painted = drawn;
    }
    this.paintWindow();
  }

  /** The weight in the middle of a layer's window; what a bias, a unit and an input lack of it stays as it was. */
  placeIn(layer) {
    const { item, tab } = state;
    const place = { ...this.places[layer] };
    if (item.kind === "unit") place[item.layer === INPUTS ? "from" : "to"] = item.unit;
    else place.to = item.to;
    if (item.kind === "parameter" && isWeight(item)) place.from = item.from;
    if (tab !== "quiz") this.places[layer] = place; // for when what was chosen is shown again
    return place;
  }

  paintWindow() {
    const { item, trace } = state;
    const layer = Math.max(item.layer, 0);
    const { inputs, units, name } = trace.layers[layer];
    const { from, to } = this.placeIn(layer);
    const columns = windowAround(from, inputs, WINDOW_COLUMNS);
    const rows = windowAround(to, units, WINDOW_ROWS);
    this.layers.forEach(({ frame }, l) => {
      frame.hidden = l !== layer;
      frame.style.left = `${(100 * columns[0]) / inputs}%`;
      frame.style.width = `${(100 * columns.length) / inputs}%`;
      frame.style.top = `${(100 * rows[0]) / units}%`;
      frame.style.height = `${(100 * rows.length) / units}%`;
    });
    const field = (key, label, value, most, choose) =>
      h("label", null, `${label} `, h("input", {
        type: "number", min: 1, max: most, value: value + 1, "data-key": key,
        onchange: (event) => choose(Math.min(most, Math.max(1, Math.round(Number(event.target.value)) || 1)) - 1),
      }));
    const choose = (change) => select({ kind: "parameter", layer, from, to, ...change });
    redraw(
      this.window,
      h("h3", null, `Inside ${name}`),
      h(
        "div",
        { class: "fields" },
        field("from", layer === 0 ? "from input" : "from unit", from, inputs, (unit) => choose({ from: unit })),
        field("to", "to unit", to, units, (unit) => choose({ to: unit })),
        state.trace.layers[layer].bias ? button("bias", "Its bias", () => choose({ from: BIAS }), { class: "quiet" }) : null,
        button("unit", "The unit itself", () => select({ kind: "unit", layer, unit: to }), { class: "quiet" }),
      ),
      this.cells(layer, columns, rows, { from, to }),
    );
  }

  cells(layer, columns, rows, at) {
    const { inputs, units } = state.trace.layers[layer];
    const most = largestShown(layer);
    const chosen = itemKey(state.item);
    const onkeydown = (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Enter: [0, 0], " ": [0, 0] };
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      const from = Math.min(inputs - 1, Math.max(0, at.from + move[0]));
      const to = Math.min(units - 1, Math.max(0, at.to + move[1]));
      select({ kind: "parameter", layer, from, to });
      this.window.querySelector('[role="gridcell"][tabindex="0"]').focus({ preventScroll: true });
    };
    const cell = (from, to) => {
      const item = { kind: "parameter", layer, from, to };
      const isAt = from === at.from && to === at.to;
      const element = h("div", {
        role: "gridcell",
        class: `cell ${signClass(shownValue(item))}`,
        tabindex: isAt ? "0" : "-1",
        "data-key": isAt ? "cell" : null,
        "aria-selected": String(itemKey(item) === chosen),
        "aria-label": describe(item),
        title: describe(item),
        "data-item": itemKey(item),
        onclick: () => {
          select(item);
          this.window.querySelector('[role="gridcell"][tabindex="0"]').focus({ preventScroll: true });
        },
      });
      element.style.backgroundColor = `rgb(${shade(shownValue(item), most).join()})`;
      return element;
    };
    const label = (text) => h("div", { class: "cell-label", "aria-hidden": "true" }, text);
    const grid = h(
      "div",
      { role: "grid", class: "cells", "aria-label": "Weights; the arrow keys go from cell to cell, Enter chooses the one that has the focus", onkeydown },
      h("div", { class: "cell-row", "aria-hidden": "true" }, label(""), columns.map((from) => label(String(from + 1)))),
      rows.map((to) =>
        h("div", { role: "row", class: "cell-row" }, label(String(to + 1)), columns.map((from) => cell(from, to))),
      ),
    );
    grid.style.setProperty("--columns", String(columns.length));
    return grid;
  }
}

/** `size` neighbouring numbers below `count`, `centre` as near to their middle as can be. */
function windowAround(centre, count, size) {
  const length = Math.min(size, count);
  const first = Math.min(count - length, Math.max(0, centre - Math.floor(length / 2)));
  return Array.from({ length }, (_, place) => first + place);
}

/** One pixel a number: a matrix [from][to] as columns and rows. */
function paintMatrix(canvas, matrix, most) {
  const { rows, cols, data } = matrix;
  const shades = shadeTable();
  const image = new ImageData(rows, cols);
  const pixels = new Uint32Array(image.data.buffer);
  for (let from = 0; from < rows; from++) {
    for (let to = 0; to < cols; to++) pixels[to * rows + from] = shades[shadeIndex(data[from * cols + to], most)];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A square picture of a vector whose length is a square, such as the weights that read an image. */
function pictureOf(values, label) {
  const side = Math.sqrt(values.length);
  if (side !== Math.floor(side) || side < 6) return null;
  const canvas = h("canvas", { class: "unit-picture", width: side, height: side, role: "img", "aria-label": label });
  const shades = shadeTable();
  const image = new ImageData(side, side);
  const pixels = new Uint32Array(image.data.buffer);
  const most = largestOf(values);
  values.forEach((value, place) => (pixels[place] = shades[shadeIndex(value, most)]));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
