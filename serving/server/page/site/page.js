// Which model is shown, and what happens on a click.

import { showCard, showSignatures } from "./card.js";
import { ask, el } from "./dom.js";
import { RowForm, summary } from "./form.js";
import { markStale, showResult } from "./result.js";

const at = (id) => document.getElementById(id);
let models = []; // of page/models
let shown = null; // of page/model
let form = null;
let turn = 0; // answers to what is no longer asked are dropped

function notice(text) {
  at("notice").textContent = text;
}

function options(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => el("option", { value }, text)));
}

/** Offers the versions of the chosen model that are served; says what became of the others. */
function chooseModel() {
  const { versions } = models.find(({ name }) => name === at("model").value);
  const served = versions.filter(({ state }) => state === "AVAILABLE");
  options(at("version"), served.map(({ version }) => [version, version]));
  at("version").disabled = !served.length;
  const told = versions
    .filter(({ state, message }) => state !== "AVAILABLE" && (state !== "END" || message))
    .map(({ version, state, message }) => `Version ${version} is ${state}${message ? `: ${message}` : ""}.`);
  notice((served.length ? told : ["No version of this model is served.", ...told]).join(" "));
  if (served.length) showModel();
  else at("main").hidden = true;
}

async function showModel() {
  const mine = ++turn;
  const query = new URLSearchParams({ name: at("model").value, version: at("version").value });
  try {
    const model = await ask(`page/model?${query}`);
    if (mine === turn) show(model);
  } catch (error) {
    if (mine === turn) notice(error.message);
  }
}

function show(model) {
  shown = model;
  document.title = `${model.name} – Concord`;
  showCard(at("card"), model);
  showSignatures(at("signatures"), model.signatures);
  clearResult();
  form = new RowForm(at("fields"), model.fields, () => {
    markStale(at("outcome"), at("result"));
    at("problem").textContent = "";
  });
  const rows = model.sample_rows.map((row, place) => {
    const text = summary(row, model.fields);
    return [place, `example ${place + 1}${text ? ` (${text})` : ""}`];
  });
  options(at("sample"), [...rows, ["", "an empty row: everything missing"]]);
  form.fill(model.sample_rows[0] || {});
  at("form").hidden = !model.fields.length;
  at("problem").textContent = "";
  at("main").hidden = false;
  if (!model.fields.length) {
    at("outcome").textContent =
      "Concord did not export this model, so its rows are not known here. Send tensors over gRPC or REST.";
  }
}

function clearResult() {
  at("outcome").replaceChildren();
  at("result").replaceChildren();
  at("result").classList.remove("stale");
}

async function score() {
  const mine = ++turn;
  at("problem").textContent = "";
  at("form").setAttribute("aria-busy", "true");
  try {
    const answer = await ask("page/score", { model: shown.name, version: shown.version, row: form.row() });
    if (mine !== turn) return;
    form.showErrors({});
    showResult(at("outcome"), at("result"), answer);
  } catch (error) {
    if (mine !== turn) return;
    clearResult();
    const fields = error.fields || {};
    const rest = form.showErrors(fields);
    const count = Object.keys(fields).length - rest.length;
    at("problem").textContent = [
      ...(count ? [`${count} ${count === 1 ? "field does" : "fields do"} not fit: see above.`] : []),
      ...(Object.keys(fields).length ? rest : [error.message]),
    ].join(" ");
  } finally {
    if (mine === turn) at("form").removeAttribute("aria-busy");
  }
}

at("model").addEventListener("change", chooseModel);
at("version").addEventListener("change", showModel);
at("sample").addEventListener("change", () => {
  form.fill(shown.sample_rows[at("sample").value] || {});
  clearResult();
  at("problem").textContent = "";
});
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  score();
});

try {
  ({ models } = await ask("page/models"));
  options(at("model"), models.map(({ name }) => [name, name]));
  if (models.length) chooseModel();
  else notice("This server serves no model.");
} catch (error) {
  notice(error.message);
}
