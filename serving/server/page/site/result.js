// The prediction, and what every branch says beside it.

import { el, table } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

/** A probability as a bar; the number stands beside it, so that it is only decoration. */
function bar(prob) {
  const drawing = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" };
  for (const [name, value] of Object.entries(attributes)) drawing.setAttribute(name, value);
  for (const [kind, width] of [["track", 100], ["filled", 100 * prob]]) {
    const rect = document.createElementNS(SVG, "rect");
    rect.setAttribute("class", kind);
    rect.setAttribute("width", width);
    rect.setAttribute("height", 10);
    drawing.append(rect);
  }
  return drawing;
}

const number = (value) => (value === null ? "–" : value.toFixed(6));

/** Shows the answer of page/score: a line that is read out, then a table. */
export function showResult(outcome, place, answer) {
  outcome.replaceChildren(
    "Predicted probability ",
    el("strong", {}, number(answer.prob)),
    ` (version ${answer.version})`,
  );
  const weighed = answer.branches.some((branch) => branch.weight !== null);
  const lines = [{ name: "fused", prob: answer.prob, weight: null }, ...answer.branches];
  const rows = lines.map(({ name, prob, weight }, place) => [
    name,
    number(prob),
    prob === null ? "" : bar(prob),
    ...(weighed ? [place ? number(weight) : ""] : []),
  ]);
  const header = ["", "Probability", "from 0 to 1", ...(weighed ? ["Weight"] : [])];
  const shown = table(header, rows, { "aria-label": "Probabilities of the branches" });
  const note = answer.branches.length
    ? null
    : el("p", { class: "hint" }, "The export tells neither probabilities nor weights of branches.");
  place.replaceChildren(shown, ...(note ? [note] : []));
  place.classList.remove("stale");
}

/** After an edit: what is shown belongs to the row as it was. */
export function markStale(outcome, place) {
  if (!place.firstChild || place.classList.contains("stale")) return;
  place.classList.add("stale");
  outcome.append(". The row has changed since.");
}
