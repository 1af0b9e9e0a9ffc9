// The tuning widget: move a slider and see what leave-one-out says.

const FEWEST_UNITS = 16;
const MOST_BARS = 10;
const MOST_TRIALS = 8;

function render({ model, el }) {
  let state = model.get("state");

  const root = frame("am-tune", titleOf(state));
  const head = tuningHeader(state);
  const controls = controlPanel(state, ask);
  const accuracy = make("strong", { class: "am-big" });
  const words = make("div", { class: "am-faint" });
  const curve = curveBox((ridge) => controls.want({ ridge }));
  const recall = recallBox();
  const trials = trialsBox(({ units, activation, ridge, balance }) =>
    controls.want({ units, activation, ridge, balance }),
  );
  const train = trainRow((id) => kernel.send({ do: "train", model_id: id }));
  const foot = footer();
  root.append(
    head,
    make(
      "div",
      { class: "am-columns" },
      make("div", { class: "am-left" }, controls, recall),
      make(
        "div",
        { class: "am-right" },
        make("div", { class: "am-accuracy", "aria-live": "polite" }, accuracy, words),
        curve,
        trials,
      ),
    ),
    train,
    foot,
  );
  const kernel = line(model, update, patience(root, foot));

  function ask() {
    kernel.replace("set", { do: "set", ...controls.wanted });
  }
  function update(fresh) {
    state = fresh;
    head.update(state);
    if (!kernel || !kernel.busy) controls.update(state);
    say(accuracy, state.accuracy ? share(state.accuracy.value) : "–");
    say(words, state.accuracy ? basis(state.accuracy) : "");
    curve.update(state);
    recall.update(state.per_label || []);
    trials.update(state);
    foot.update({ ...state, advice: (state.notes || []).join(" ") });
  }

  const size = new ResizeObserver(() => curve.update(state));
  size.observe(curve);
  update(state);
  el.append(root);
  return () => {
    kernel.close();
    size.disconnect();
    root.leave();
  };
}

function titleOf({ dataset_id: id }) {
  return id == null ? "Tuning" : `Tuning on ${id}`;
}

function tuningHeader(state) {
  const counts = make("span", { class: "am-counts" });
  const box = make(
    "div",
    { class: "am-head" },
    make("strong", { dir: "auto" }, clip(titleOf(state), 70)),
    counts,
  );
  box.update = ({ rows, total }) =>
    say(counts, rows < total ? `${count(rows)} of ${count(total)} rows` : `${count(total)} rows`);
  return box;
}

/**
 * The sliders. `wanted` holds what was moved since the kernel last had the word: only that is sent,
 * so that a setting between two steps of a slider stays until it is moved.
 */
function controlPanel(state, ask) {
  const { limits } = state;
  const activations = limits.activations.map((name) => make("option", {}, name));
  const units = slider("Hidden units", { min: 0, max: 0 });
  const activation = make("select", { "aria-label": "Activation" }, ...activations);
  const ridge = slider("Ridge λ", { min: 0, max: 0 });
  const auto = make("input", { type: "checkbox" });
  const [least, most] = limits.balance;
  const balance = slider("Balance", { min: least, max: most, step: 0.05 });
  const box = make(
    "div",
    { class: "am-controls" },
    units.row,
    make("label", { class: "am-control" }, make("span", {}, "Activation"), activation),
    ridge.row,
    make("label", { class: "am-auto" }, auto, "auto: the best of the curve"),
    balance.row,
  );
  const sizes = powers(limits.units);
  let grid = []; // the λ of the curve
  units.input.max = sizes.length - 1;

  const show = (setting, chosen) => {
    units.input.value = nearestOf(sizes, setting.units);
    activation.value = setting.activation;
    ridge.input.value = nearestOf(grid, chosen);
    auto.checked = setting.ridge === null;
    balance.input.value = setting.balance;
    units.say(count(setting.units));
    ridge.say(figure(chosen));
    balance.say(setting.balance.toFixed(2));
    ridge.row.classList.toggle("am-off", auto.checked);
  };
  const want = (change) => {
    Object.assign(box.wanted, change);
    const setting = { ...state, ...box.wanted };
    show(setting, setting.ridge ?? state.chosen);
    ask();
  };
  const on = (input, change) => input.addEventListener("input", () => want(change(input.value)));
  on(units.input, (place) => ({ units: sizes[place] }));
  on(activation, (name) => ({ activation: name }));
  on(ridge.input, (place) => ({ ridge: grid[place] }));
  on(auto, () => ({ ridge: auto.checked ? null : state.chosen }));
  on(balance.input, (value) => ({ balance: Number(value) }));

  box.wanted = {};
  box.want = want;
  box.update = (fresh) => {
    state = fresh;
    box.wanted = {};
    grid = fresh.curve.map(([value]) => value);
    ridge.input.max = Math.max(0, grid.length - 1);
    show(fresh, fresh.chosen);
  };
  return box;
}

/** The powers of two that are allowed, without the very small ones. */
function powers([low, high]) {
  const result = [];
  for (let size = FEWEST_UNITS; size <= high; size *= 2) if (size >= low) result.push(size);
  return result;
}

/** The place of the value that is nearest on a scale of powers. */
function nearestOf(grid, value) {
  const far = (other) => Math.abs(Math.log(other) - Math.log(value));
  return grid.reduce((best, other, place) => (far(other) < far(grid[best]) ? place : best), 0);
}

function slider(name, range) {
  const input = make("input", { type: "range", "aria-label": name, ...range });
  const value = make("output");
  const row = make("label", { class: "am-control" }, make("span", {}, name), input, value);
  const tell = (text) => {
    say(value, text);
    input.setAttribute("aria-valuetext", text);
  };
  return { row, input, say: tell };
}

/** Accuracy against λ with the band of its interval; a press on it chooses the nearest λ. */
function curveBox(choose) {
  const height = 210;
  const edge = { left: 46, right: 10, top: 10, bottom: 30 };
  const svg = draw("svg", { role: "img", height, class: "am-curve" });
  const legend = make(
    "div",
    { class: "am-legend am-faint" },
    make("i", { class: "am-dot" }),
    "chosen ",
    make("i", { class: "am-ring" }),
    "least error ",
    make("i", { class: "am-band" }),
    "95 % interval",
  );
  const box = make("div", { class: "am-plot" }, svg, legend);
  let places = [];

  const pick = (event) => {
    if (event.type === "pointermove" && !(event.buttons & 1)) return;
    const at = event.clientX - svg.getBoundingClientRect().left;
    const far = ([x]) => Math.abs(x - at);
    const best = places.reduce((a, b) => (far(b) < far(a) ? b : a), places[0]);
    if (best) choose(best[1]);
  };
  svg.addEventListener("pointerdown", pick);
  svg.addEventListener("pointermove", pick);

  box.update = (state) => {
    const width = Math.max(220, box.clientWidth);
    svg.setAttribute("width", width);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const points = state.curve.filter((point) => point.every(Number.isFinite));
    if (points.length === 0) return svg.replaceChildren();
    const [first, last] = [points[0][0], points[points.length - 1][0]].map(Math.log10);
    const [low, high] = reach(points);
    const across = width - edge.left - edge.right;
    const down = height - edge.top - edge.bottom;
    const x = (value) => edge.left + (across * (Math.log10(value) - first)) / (last - first || 1);
    const y = (value) => edge.top + down * (1 - (value - low) / (high - low));
    const path = (pairs) => pairs.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ");
    places = points.map(([value]) => [x(value), value]);
    const upper = points.map(([value, , , most]) => [value, most]);
    const lower = points.map(([value, , least]) => [value, least]).reverse();
    const at = (value) => points[nearestOf(points.map((p) => p[0]), value)];
    const [chosen, best] = [at(state.chosen), at(state.best)];
    svg.setAttribute(
      "aria-label",
      `Leave-one-out accuracy against the ridge: ${share(chosen[1])} at ${figure(chosen[0])}, ` +
        `with the least error ${share(best[1])} at ${figure(best[0])}`,
    );
    svg.replaceChildren(
      ...levels(low, high).map((value) => rule(edge.left, y(value), width - edge.right, value)),
      ...decades(first, last, across).map((power) => tick(x(10 ** power), height, power)),
      draw("text", { x: width - edge.right, y: height - 2, "text-anchor": "end" }, "ridge λ →"),
      draw("polygon", { points: path([...upper, ...lower]), class: "am-band" }),
      draw("polyline", { points: path(points.map(([value, accuracy]) => [value, accuracy])) }),
      draw("line", {
        x1: x(chosen[0]),
        x2: x(chosen[0]),
        y1: edge.top,
        y2: height - edge.bottom,
        class: "am-here",
      }),
      draw("circle", { cx: x(best[0]), cy: y(best[1]), r: 7, class: "am-ring" }),
      draw("circle", { cx: x(chosen[0]), cy: y(chosen[1]), r: 4, class: "am-dot" }),
    );
  };
  return box;
}

/** The range of the axis: the accuracies with a little room, not the whole of a wide band. */
function reach(points) {
  const least = Math.min(...points.map(([, , low]) => low));
  const most = Math.max(...points.map(([, , , high]) => high));
  const room = Math.max(0.005, 0.04 * (most - least));
  return [Math.max(0, least - room), Math.min(1, most + room)];
}

/** Three to six round values between low and high. */
function levels(low, high) {
  const step = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((s) => (high - low) / s <= 6) || 0.25;
  const result = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) result.push(i * step);
  return result;
}

/** Powers of ten between two of them, as many as there is room for. */
function decades(first, last, width) {
  const every = Math.max(1, Math.ceil(((last - first) * 42) / width));
  const result = [];
  for (let power = Math.ceil(first); power <= last; power += every) result.push(power);
  return result;
}

function rule(left, y, right, value) {
  return draw(
    "g",
    {},
    draw("line", { x1: left, x2: right, y1: y, y2: y, class: "am-rule" }),
    draw("text", { x: left - 6, y: y + 3.5, "text-anchor": "end" }, `${figure(100 * value)} %`),
  );
}

function tick(x, height, power) {
  const raised = draw("tspan", { dy: -4, "font-size": 8 }, power < 0 ? `−${-power}` : String(power));
  return draw("text", { x, y: height - 16, "text-anchor": "middle" }, "10", raised);
}

/** Recall of each label, the worst first. */
function recallBox() {
  const bars = make("div", { class: "am-bars" });
  const rest = make("div", { class: "am-faint" });
  const box = make("section", {}, make("h4", {}, "Recall, worst label first"), bars, rest);
  box.update = (labels) => {
    const sorted = [...labels].sort((a, b) => a[1] - b[1]);
    fillRows(bars, sorted.slice(0, MOST_BARS), bar, (row, [label, recall, n]) => {
      row.update(label, recall, `${share(recall)} of ${count(n)}`);
    });
    const more = sorted.length - MOST_BARS;
    say(rest, more > 0 ? `… and ${count(more)} that are better` : "");
  };
  return box;
}

/** What was tried, the latest first; a row can be taken up again. */
function trialsBox(take) {
  const body = make("tbody");
  const names = ["units", "activation", "λ", "balance", "accuracy", ""];
  const side = (name) => (name === "activation" ? null : "am-number");
  const heads = names.map((name) => make("th", { scope: "col", class: side(name) }, name));
  const head = make("tr", {}, ...heads);
  const table = make("table", { class: "am-table" }, make("thead", {}, head), body);
  const box = make("section", {}, make("h4", {}, "Tried"), table);
  box.update = ({ trials }) => {
    const rows = [...(trials || [])].reverse().slice(0, MOST_TRIALS);
    const number = (text) => make("td", { class: "am-number" }, text);
    body.replaceChildren(
      ...rows.map((trial) =>
        make(
          "tr",
          {},
          number(count(trial.units)),
          make("td", {}, trial.activation),
          number(trial.ridge == null ? `auto ${figure(trial.chosen)}` : figure(trial.ridge)),
          number(Number(trial.balance).toFixed(2)),
          number(share(trial.accuracy)),
          make("td", {}, make("button", { type: "button", onclick: () => take(trial) }, "use")),
        ),
      ),
    );
  };
  return box;
}

/** "Train a model with these settings": its name and a button. */
function trainRow(train) {
  const input = make("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "name of the model",
  });
  const go = () => input.value.trim() && train(input.value.trim());
  input.addEventListener("keydown", (event) => event.key === "Enter" && go());
  const name = make("label", {}, "Train a model with these settings ", input);
  return make("div", { class: "am-field" }, name, make("button", { type: "button", onclick: go }, "Train"));
}

export default { render };
