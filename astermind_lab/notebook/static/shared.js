// What the widgets share: elements, words for numbers, small drawings, and the line to the kernel.
//
// Every text that is shown comes from data and is not trusted: it becomes a text node or the value
// of an attribute, never markup.

const SVG = "http://www.w3.org/2000/svg";
const SUPPRESS = "data-lm-suppress-shortcuts";

/** An element. Attributes that are functions are listeners: {onclick: …}. */
function make(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
function draw(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Change the text only if it is another one: a live region speaks at every change. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function share(value) {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "–";
}

function count(value) {
  return Number.isFinite(value) ? value.toLocaleString("en-US") : "–";
}

/** A number with four digits that mean something. */
function figure(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(1);
  return String(Number(value.toPrecision(size >= 1000 ? 6 : 3)));
}

function milliseconds(value) {
  if (!(value > 0)) return "";
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

/** On one line, with at most `limit` characters. */
function clip(text, limit) {
  const line = Array.from(String(text).slice(0, 4 * limit).replace(/\s+/g, " "));
  return line.length <= limit ? line.join("") : `${line.slice(0, limit - 1).join("")}…`;
}

function within(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

/** "88.0 to 94.1 %, leave-one-out, n = 120" */
function basis(estimate) {
  const [low, high] = [estimate.low, estimate.high].map((v) => (100 * v).toFixed(1));
  return `${low} to ${high} %, ${estimate.method}, n = ${count(estimate.n)}`;
}

/** A row "name ▓▓▓░░ 82.0 %"; `update` changes it in place. */
function bar(extra = "") {
  const fill = make("i");
  const name = make("span", { class: "am-name", dir: "auto" });
  const value = make("span", { class: "am-value" });
  const row = make("div", { class: `am-bar ${extra}` }, name, make("b", {}, fill), value);
  row.update = (label, part, text = share(part)) => {
    say(name, clip(label, 80));
    name.title = label;
    fill.style.width = `${100 * within(part || 0, 0, 1)}%`;
    say(value, text);
  };
  return row;
}

/** Keep as many rows in `box` as there are items, and update each. */
function fillRows(box, items, fresh, update) {
  while (box.children.length > items.length) box.lastChild.remove();
  while (box.children.length < items.length) box.append(fresh());
  items.forEach((item, place) => update(box.children[place], item, place));
}

/**
 * The frame of a widget. It keeps its keys from the notebook around it.
 *
 * JupyterLab hears keys on the document, in the bubbling phase or before it, as its version and
 * settings have it. In the first case the frame stops them. In the second an attribute does: shortcuts
 * are looked for from the focused element upwards as far as one that has it, so the focused element
 * itself must. Ctrl and Cmd stay the notebook's, so that Ctrl-S saves it; only undo is the widget's.
 */
function frame(name, title) {
  const root = make("div", { class: `astermind ${name}`, role: "group", "aria-label": title });
  const others = (event) =>
    (event.ctrlKey || event.metaKey) && !["z", "Enter"].includes(event.key);
  const mark = (event) => {
    if (!root.contains(event.target)) return;
    for (const element of [event.target, root]) {
      if (others(event)) element.removeAttribute(SUPPRESS);
      else element.setAttribute(SUPPRESS, "true");
    }
  };
  window.addEventListener("keydown", mark, true);
  root.addEventListener("keydown", (event) => others(event) || event.stopPropagation());
  root.leave = () => window.removeEventListener("keydown", mark, true);
  return root;
}

/** The line at the bottom: what went wrong, what was done, or advice; and how long it took. */
function footer(...buttons) {
  const note = make("span", { class: "am-note", role: "status" });
  const took = make("span", { class: "am-took" });
  const box = make("div", { class: "am-foot" }, note, ...buttons, took);
  box.update = (state) => {
    const text = state.error || state.told || state.advice || "";
    note.classList.toggle("am-wrong", Boolean(state.error));
    note.title = text;
    say(note, text);
    say(took, milliseconds(state.took_ms));
  };
  box.wait = (text) => {
    note.classList.remove("am-wrong");
    say(note, text);
  };
  return box;
}

const SLOW = 400;
const SILENT = 8000;

/**
 * The line to the kernel. One message is under way at a time; the others wait in order. Without a
 * kernel nothing is kept.
 *
 * changed(state) is called with every new state, slow(stage) with "" | "slow" | "silent" | "gone".
 * A message may be a function: it is made when it is sent. After an error nothing that waited is
 * sent, because it was asked for without knowing of the error.
 */
function line(model, changed, slow = () => {}) {
  const name = Math.random().toString(36).slice(2);
  let waiting = [];
  let underway = null;
  let sent = 0;
  let timers = [];

  const rest = () => {
    timers.forEach(clearTimeout);
    timers = [];
    slow("");
  };
  const next = () => {
    if (underway !== null || waiting.length === 0) return;
    const { message } = waiting.shift();
    const content = typeof message === "function" ? message() : message;
    if (content === null) return next();
    const id = `${name}:${++sent}`;
    try {
      model.send({ ...content, id });
    } catch {
      waiting = [];
      return slow("gone");
    }
    underway = id;
    timers = [setTimeout(slow, SLOW, "slow"), setTimeout(slow, SILENT, "silent")];
  };
  const hear = () => {
    const state = model.get("state");
    const answered = underway !== null && state.answered === underway;
    if (answered) {
      underway = null;
      rest();
      if (state.error) waiting = [];
    }
    changed(state);
    if (answered) next();
  };
  model.on("change:state", hear);

  return {
    /** Send it after those that wait. */
    send(message) {
      waiting.push({ message });
      next();
    },
    /** Send it in place of an earlier one of this kind that still waits. */
    replace(kind, message) {
      waiting = waiting.filter((other) => other.kind !== kind);
      waiting.push({ kind, message });
      next();
    },
    /** Whether an answer is still to come. */
    get busy() {
      return underway !== null || waiting.length > 0;
    },
    close() {
      rest();
      model.off("change:state", hear);
    },
  };
}

/** How a widget shows that the kernel takes its time. */
function patience(root, foot) {
  return (stage) => {
    root.setAttribute("aria-busy", String(stage === "slow" || stage === "silent"));
    if (stage === "silent") foot.wait("The kernel is busy or has stopped; this waits for it.");
    if (stage === "gone") foot.wait("The kernel is gone: nothing was done. Run the cell again.");
  };
}
