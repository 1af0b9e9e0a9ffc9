// The exploring widget: type a text and see what the model makes of it, and why.

const PAUSE = 150;
const MOST_PREDICTIONS = 8;
const MOST_ROWS = 10;

function render({ model, el }) {
  let state = model.get("state");
  let typing = null;

  const root = frame("am-explore", `Exploring ${state.model_id}`);
  const field = make("textarea", {
    rows: 3,
    dir: "auto",
    "aria-label": "A text to classify",
    placeholder: "Type a text …",
    oninput: () => {
      clearTimeout(typing);
      typing = setTimeout(ask, PAUSE);
    },
  });
  field.value = state.text || "";
  const bars = make("div", { class: "am-bars", "aria-live": "polite" });
  const words = wordsBox();
  const rows = rowsTable();
  const behind = part("Training texts behind the answer", rows);
  const foot = footer();
  root.append(
    make(
      "div",
      { class: "am-head" },
      make("span", {}, "Exploring ", make("strong", { dir: "auto" }, clip(state.model_id, 60))),
    ),
    field,
    make(
      "div",
      { class: "am-columns" },
      part("Probability", bars),
      words,
    ),
    behind,
    foot,
  );
  const kernel = line(model, update, patience(root, foot));

  function ask() {
    typing = null;
    kernel.replace("ask", { do: "ask", text: field.value });
  }
  function update(fresh) {
    state = fresh;
    const idle = typing === null && !(kernel && kernel.busy);
    if (idle && !root.contains(document.activeElement)) field.value = state.text || "";
    const predictions = (state.predictions || []).slice(0, MOST_PREDICTIONS);
    fillRows(bars, predictions, bar, (row, { category, confidence }, place) => {
      row.update(category, confidence);
      row.classList.toggle("am-first", place === 0);
    });
    words.update(state);
    rows.update(state.rows || []);
    behind.hidden = rows.empty;
    foot.update({ ...state, advice: (state.warnings || []).join(" ") });
  }

  update(state);
  el.append(root);
  return () => {
    clearTimeout(typing);
    kernel.close();
    root.leave();
  };
}

function part(title, content) {
  return make("section", {}, make("h4", {}, title), content);
}

/** The text, each word on blue where it speaks for the answer, on orange where against it. */
function wordsBox() {
  const text = make("div", { class: "am-words", dir: "auto" });
  const title = make("h4");
  const box = make("section", {}, title, text);
  box.update = ({ text: all, words, predictions }) => {
    const answer = predictions && predictions.length ? predictions[0].category : "an answer";
    title.replaceChildren(
      "Words ",
      make("mark", { class: "am-for" }, "for"),
      " and ",
      make("mark", { class: "am-against" }, "against"),
      ` ${clip(answer, 40)}`,
    );
    text.replaceChildren(...pieces(all || "", words || []));
  };
  return box;
}

/** The text cut at its words. Python counts characters, JavaScript halves of some of them. */
function pieces(text, words) {
  const signs = Array.from(text);
  const most = words.reduce((max, { effect }) => Math.max(max, Math.abs(effect) || 0), 1e-12);
  const result = [];
  let at = 0;
  for (const { start, end, effect } of words) {
    if (start < at || !Number.isFinite(effect)) continue;
    if (start > at) result.push(signs.slice(at, start).join(""));
    const strength = Math.round(55 * Math.sqrt(Math.abs(effect) / most));
    const hue = effect < 0 ? "var(--am-orange)" : "var(--am-blue)";
    result.push(
      make(
        "span",
        {
          class: effect < 0 ? "am-against" : "am-for",
          style: `background:color-mix(in srgb, ${hue} ${strength}%, transparent)`,
          title: `${signed(effect)} to the log-odds of the answer`,
        },
        signs.slice(start, end).join(""),
      ),
    );
    at = end;
  }
  result.push(signs.slice(at).join(""));
  return result;
}

function rowsTable() {
  const body = make("tbody");
  const names = ["text", "label", "similarity", "influence"];
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
  const table = make("table", { class: "am-table am-rows" }, make("thead", {}, head), body);
  table.update = (rows) => {
    const cells = ({ text, label, similarity, influence }) =>
      make(
        "tr",
        {},
        make("td", { dir: "auto", title: clip(text, 1000) }, clip(text, 200)),
        make("td", { dir: "auto", title: clip(label, 200) }, clip(label, 40)),
        make("td", { class: "am-number" }, Number.isFinite(similarity) ? similarity.toFixed(2) : "–"),
        make("td", { class: "am-number" }, signed(influence)),
      );
    table.empty = rows.length === 0;
    body.replaceChildren(...rows.slice(0, MOST_ROWS).map(cells));
  };
  return table;
}

function signed(value) {
  if (!Number.isFinite(value)) return "–";
  return `${value < 0 ? "−" : "+"}${figure(Math.abs(value))}`;
}

export default { render };
