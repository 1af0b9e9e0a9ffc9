// The teaching widget: a text, a key, and the model has learned.

const AWAY = "Click here, then use the keys.";
const HERE = "1 to 9 give that label, Enter the marked one.";
const USE = "Let the taught model take the place of the one in memory";
const MOST_LABELS = 12;
const FEW_LABELS = 4; // whose names have room above their columns
const ON = {
  unlabelled: "unlabelled texts",
  mistakes: "its mistakes",
  errors: "suspected label errors",
};

/** The label that Enter gives: the one the text has already, else the guess. */
function acceptable(task) {
  return task === null ? null : (task.given ?? task.guess ?? null);
}

/** What a key asks for, or null. */
function actionOf(event) {
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) return { do: "undo" };
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (/^[1-9]$/.test(event.key)) return { place: Number(event.key) - 1 };
  const named = { Enter: "accept", Backspace: "undo", u: "undo", s: "skip", ArrowRight: "skip" };
  if (named[event.key]) return { do: named[event.key] };
  return event.key === "n" ? { field: "label" } : null;
}

function render({ model, el }) {
  let state = model.get("state");

  const root = frame("am-teach", `Teaching ${state.model_id}`);
  root.tabIndex = 0;
  const head = header(state);
  const task = taskBox();
  const labels = labelList((label) => give(label));
  const field = fieldRow(submit, () => root.focus({ preventScroll: true }));
  const undo = button("Undo", "Backspace", "⌫", () => act("undo"));
  const skip = button("Skip", "s", "s", () => act("skip"));
  const accept = button("Accept", "Enter", "⏎", () => act("accept"));
  const add = button("New label", "n", "n", () => open("label"));
  const save = button("Save …", "", "", () => open("save"));
  accept.classList.add("am-main");
  const figures = figuresBox();
  const again = make("button", { type: "button", onclick: () => act("retrain") }, "Retrain");
  const foot = footer(again);
  root.append(
    head,
    make(
      "div",
      { class: "am-columns" },
      make(
        "div",
        { class: "am-left" },
        task,
        labels,
        make("div", { class: "am-buttons" }, accept, skip, undo, add, save),
        field,
      ),
      figures,
    ),
    foot,
  );
  const kernel = line(model, update, patience(root, foot));

  /** The text goes along: a label is for the text that was on the screen. */
  function about(message) {
    return () => (state.task === null ? null : { ...message, text: state.task.text });
  }
  function give(label) {
    kernel.send(about({ do: "give", label }));
  }
  function act(name) {
    kernel.send(["accept", "skip"].includes(name) ? about({ do: name }) : { do: name });
  }
  function open(purpose) {
    field.open(purpose);
  }
  function submit(purpose, value) {
    if (purpose === "label" && value) give(value);
    if (purpose === "apply") act("apply");
    if (purpose === "save") kernel.send(value ? { do: "save", dataset_id: value } : { do: "save" });
  }
  function press(event) {
    if (event.isComposing) return;
    if (field.contains(event.target)) return field.press(event);
    if (event.key === "Escape") return surrender(root);
    const onButton = event.target.closest("button") && ["Enter", " "].includes(event.key);
    const action = onButton ? null : actionOf(event);
    if (action === null) return;
    event.preventDefault();
    if (event.repeat) return; // a key held down labels one text
    if (action.field) open(action.field);
    else if (action.do) act(action.do);
    else if (state.labels[action.place] !== undefined) give(state.labels[action.place]);
  }
  function update(fresh) {
    state = fresh;
    head.update(state);
    task.update(state);
    labels.update(state);
    figures.update(state);
    foot.update(state);
    undo.disabled = !state.can_undo;
    skip.disabled = add.disabled = state.task === null;
    accept.disabled = acceptable(state.task) === null;
    say(accept.firstChild, state.task && state.task.given != null ? "Keep" : "Accept");
    save.disabled = state.done === 0;
    again.hidden = !/retrain\(\)/.test(state.advice || "");
  }

  root.addEventListener("keydown", press);
  // A click gives the keys to the widget, not to the button that was clicked.
  root.addEventListener("mousedown", (event) => {
    if (event.target.closest("input, summary")) return;
    if (event.target.closest("button")) event.preventDefault();
    if (!window.getSelection().toString()) root.focus({ preventScroll: true });
  });
  el.append(root);
  update(state);
  return () => {
    kernel.close();
    root.leave();
  };
}

/** Give the keys back to the notebook. */
function surrender(root) {
  const outer = root.parentElement && root.parentElement.closest("[tabindex]");
  if (outer) outer.focus({ preventScroll: true });
  else root.blur();
}

function button(text, key, sign, onclick) {
  const hint = sign ? make("kbd", { "aria-hidden": "true" }, sign) : null;
  return make("button", { type: "button", "aria-keyshortcuts": key || null, onclick }, text, hint);
}

function header(state) {
  const counts = make("span", { class: "am-counts" });
  const box = make(
    "div",
    { class: "am-head" },
    make("span", {}, "Teaching ", make("strong", { dir: "auto" }, clip(state.model_id, 60))),
    make("span", { class: "am-faint" }, ` on ${ON[state.on] || state.on}`),
    counts,
  );
  box.update = ({ done, left }) => say(counts, `${count(done)} done · ${count(left)} left`);
  return box;
}

function taskBox() {
  const text = make("div", { class: "am-text", dir: "auto", "aria-live": "polite" });
  const why = make("div", { class: "am-why" });
  const box = make("div", { class: "am-task" }, text, why);
  box.update = ({ task, left }) => {
    text.classList.toggle("am-none", task === null);
    const before = text.textContent;
    say(text, task === null ? `Nothing left to label${left ? " here" : ""}.` : task.text);
    if (before !== text.textContent) text.scrollTop = 0;
    say(why, task && task.why ? clip(task.why, 200) : "");
    why.title = (task && task.why) || "";
  };
  return box;
}

/** The labels, each a button with its key, its probability as a bar; the guess stands out. */
function labelList(give) {
  const box = make("div", { class: "am-labels", role: "group", "aria-label": "Labels" });
  const fresh = () => {
    const key = make("kbd", { "aria-hidden": "true" });
    const row = bar();
    const mark = make("em");
    const entry = make("button", { type: "button", class: "am-label" }, key, row, mark);
    entry.addEventListener("click", () => give(entry.label));
    entry.update = (label, place, task, probability) => {
      entry.label = label;
      const guessed = task !== null && task.guess === label;
      const given = task !== null && task.given === label;
      const enter = acceptable(task) === label;
      say(key, place < 9 ? String(place + 1) : "");
      if (place < 9) entry.setAttribute("aria-keyshortcuts", String(place + 1));
      row.update(label, probability, probability === undefined ? "" : share(probability));
      const words = [guessed ? "guess" : given ? "given" : "", enter ? "⏎" : ""];
      say(mark, words.filter(Boolean).join(" "));
      entry.classList.toggle("am-guess", guessed);
      entry.classList.toggle("am-given", given);
      entry.title = [given && "has this label", guessed && "the model's guess"].filter(Boolean).join(", ");
      entry.disabled = task === null;
    };
    return entry;
  };
  box.update = ({ labels, task }) => {
    const probabilities = new Map(task ? task.probabilities : []);
    fillRows(box, labels, fresh, (entry, label, place) =>
      entry.update(label, place, task, probabilities.get(label)),
    );
    bringIntoView(box, box.querySelector(".am-guess"));
  };
  return box;
}

/** Scroll the box, and only the box, to what is in it. */
function bringIntoView(box, entry) {
  if (!entry) return;
  const [outer, inner] = [box.getBoundingClientRect(), entry.getBoundingClientRect()];
  if (inner.top < outer.top) box.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
}

/** One line under the buttons: the keys, or a field for a new label or the name of a data set. */
function fieldRow(submit, done) {
  const hint = make(
    "span",
    { class: "am-hint" },
    make("span", { class: "am-away" }, AWAY),
    make("span", { class: "am-here" }, HERE),
  );
  const name = make("label");
  const input = make("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  name.append(make("span"), input);
  const ok = make("button", { type: "button" });
  const use = make("button", { type: "button", title: USE }, "Use it here");
  const form = make("span", { class: "am-form", hidden: true }, name, ok, use);
  const row = make("div", { class: "am-field" }, hint, form);
  let purpose = null;

  const close = () => {
    purpose = null;
    form.hidden = true;
    hint.hidden = false;
    done();
  };
  const finish = (given) => {
    const [what, value] = [given, input.value.trim()];
    if (what === "label" && !value) return input.focus();
    close();
    submit(what, value);
  };
  ok.addEventListener("click", () => finish(purpose));
  use.addEventListener("click", () => finish("apply"));
  row.press = (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === input) finish(purpose);
    else return;
    event.preventDefault();
  };
  row.open = (what) => {
    purpose = what;
    say(name.firstChild, what === "label" ? "New label" : "Save as data set");
    say(ok, what === "label" ? "Add" : "Save");
    use.hidden = what === "label";
    input.value = "";
    input.placeholder = what === "label" ? "" : "or leave it empty";
    hint.hidden = true;
    form.hidden = false;
    input.focus({ preventScroll: true });
    input.select();
  };
  return row;
}

/** Accuracy with its interval and history, and the confusion matrix. */
function figuresBox() {
  const value = make("strong", { class: "am-big" });
  const words = make("div", { class: "am-faint" });
  const spark = draw("svg", { class: "am-spark", "aria-hidden": "true" });
  const matrix = make("div", { class: "am-matrix" });
  const box = make(
    "div",
    { class: "am-right" },
    make("div", { class: "am-accuracy" }, make("span", {}, "accuracy "), value, words),
    spark,
    matrix,
  );
  box.update = ({ accuracy, history, confusion, labels }) => {
    say(value, accuracy ? share(accuracy.value) : "–");
    say(words, accuracy ? basis(accuracy) : "too few labels to say");
    sparkline(spark, history || []);
    confusionTable(matrix, labels, confusion || {});
  };
  return box;
}

/** Accuracy against the number of labels, with its lowest and highest value. */
function sparkline(svg, history) {
  const [width, height, gap] = [260, 44, 46];
  svg.setAttribute("viewBox", `0 -6 ${width} ${height + 12}`);
  const points = thinned(history.filter(([, value]) => Number.isFinite(value)), 200);
  if (points.length === 0) return svg.replaceChildren();
  const values = points.map(([, value]) => value);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (high - low < 0.02) [low, high] = [within(low - 0.01, 0, 1), within(high + 0.01, 0, 1)];
  const x = (place) => (points.length < 2 ? 0 : (place / (points.length - 1)) * (width - gap - 4));
  const y = (value) => height * (1 - (value - low) / (high - low || 1));
  const path = points.map(([, v], place) => `${x(place).toFixed(1)},${y(v).toFixed(1)}`);
  const last = points.length - 1;
  const text = (value) =>
    draw("text", { x: width, y: y(value) + 3.5, "text-anchor": "end" }, share(value));
  svg.replaceChildren(
    draw("polyline", { points: path.join(" ") }),
    draw("circle", { cx: x(last), cy: y(values[last]), r: 3 }),
    text(low),
    text(high),
  );
}

/** At most `most` points, evenly taken, the last among them. */
function thinned(points, most) {
  const step = Math.ceil(points.length / most) || 1;
  return points.filter((_, place) => (points.length - 1 - place) % step === 0);
}

/** Counts by (truth, predicted); blue where they agree, darker for a larger part of its row. */
function confusionTable(box, labels, confusion) {
  const { names, square } = folded(labels, confusion);
  const upright = names.length > FEW_LABELS;
  const cell = (n, total, right) => {
    const strength = n ? Math.round(10 + 50 * Math.sqrt(n / total)) : 0;
    const hue = right ? "var(--am-blue)" : "var(--am-orange)";
    const style = `background:color-mix(in srgb, ${hue} ${strength}%, transparent)`;
    return make("td", { style }, n ? count(n) : "·");
  };
  const head = names.map((name) =>
    make("th", { scope: "col", title: name }, make("span", {}, clip(name, upright ? 12 : 7))),
  );
  const rows = square.map((row, i) => {
    const total = row.reduce((sum, n) => sum + n, 0);
    const name = make("th", { scope: "row", title: names[i] }, clip(names[i], upright ? 11 : 14));
    return make("tr", {}, name, ...row.map((n, j) => cell(n, total, i === j)));
  });
  const corner = make("th", { class: "am-corner" }, upright ? "truth ↓ pred. →" : "truth ↓ predicted →");
  box.replaceChildren(
    make(
      "table",
      {
        class: upright ? "am-upright" : "",
        "aria-label": "Confusion matrix: rows are the truth, columns what was predicted",
      },
      make("thead", {}, make("tr", {}, corner, ...head)),
      make("tbody", {}, ...rows),
    ),
  );
}

/** At most MOST_LABELS labels; the rarest become one "(other)". */
function folded(labels, confusion) {
  const weight = new Map(labels.map((label) => [label, 0]));
  const cells = [];
  for (const [truth, row] of Object.entries(confusion)) {
    for (const [predicted, n] of Object.entries(row)) {
      cells.push([truth, predicted, n]);
      weight.set(truth, (weight.get(truth) || 0) + n);
      weight.set(predicted, (weight.get(predicted) || 0) + n);
    }
  }
  let names = [...weight.keys()];
  if (names.length > MOST_LABELS) {
    const kept = [...weight].sort((a, b) => b[1] - a[1]).slice(0, MOST_LABELS - 1);
    const keep = new Set(kept.map(([label]) => label));
    names = [...names.filter((label) => keep.has(label)), "(other)"];
  }
  const place = new Map(names.map((label, i) => [label, i]));
  const square = names.map(() => names.map(() => 0));
  const at = (label) => place.get(label) ?? names.length - 1;
  for (const [truth, predicted, n] of cells) square[at(truth)][at(predicted)] += n;
  return { names, square };
}

export default { render };
