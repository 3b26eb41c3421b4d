// The model card and the signatures, as they lie beside the export.

import { el, table } from "./dom.js";

const TITLES = {
  intended_use: "Intended use",
  metrics: "Metrics",
  data: "Data",
  network: "Network",
  variant: "Variant",
  limits: "Limits",
  feature_groups: "Feature groups",
  features: "Features",
};
const FOLDED = ["feature_groups", "features"];

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const words = (name) => name.replaceAll("_", " ");

function scalar(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value.toPrecision(5);
}

/** Any JSON value: what a later version of the card may hold is shown as well. */
function show(value) {
  if (Array.isArray(value)) {
    if (value.every((each) => isObject(each))) return records(value);
    if (value.every((each) => typeof each === "string" && each.length > 40)) {
      return el("ul", {}, value.map((each) => el("li", {}, each)));
    }
    return value.length ? value.map((each) => (isObject(each) ? JSON.stringify(each) : scalar(each))).join(", ") : "none";
  }
  if (!isObject(value)) return scalar(value);
  const pairs = Object.entries(value);
  return el("dl", {}, pairs.map(([name, each]) => [el("dt", {}, words(name)), el("dd", {}, show(each))]));
}

/** A list of objects as a table, with a column for each key of the first. */
function records(list) {
  if (!list.length) return "none";
  const columns = Object.keys(list[0]);
  return table(columns.map(words), list.map((each) => columns.map((name) => show(each[name]))));
}

/** {split: {prediction: {metric: number}}} as one table a split. */
function metrics(splits) {
  const each = Object.entries(splits).filter(([, of]) => isObject(of) && Object.values(of).every(isObject));
  if (!each.length) return show(splits);
  return el("div", {}, each.map(([split, predictions]) => {
    const columns = [...new Set(Object.values(predictions).flatMap(Object.keys))];
    const rows = Object.entries(predictions).map(([name, of]) => [
      name,
      ...columns.map((column) => scalar(of[column])),
    ]);
    return [el("h4", {}, split), table([`prediction`, ...columns], rows, { "aria-label": `Metrics on ${split}` })];
  }));
}

/** What requests were like since the version was loaded, beside the training rows. */
function inputLines({ rows, far }) {
  const seen = `${rows.toLocaleString("en")} rows of requests were looked at since the version was loaded`;
  if (!far.length) return rows ? [`${seen}: no input is far from training's.`] : [];
  return [`${seen}:`, ...far];
}

/** The card of page/model, whole or what the export's metadata tell. */
export function showCard(place, { card, card_is_whole: whole, inputs }) {
  const parts = (inputs ? inputLines(inputs) : []).map((line) => el("p", { class: "hint" }, line));
  if (!whole) {
    parts.push(el("p", { class: "hint" }, Object.keys(card).length
      ? "This export has no model card; this is what its metadata tell."
      : "This export has neither a model card nor metadata of Concord."));
  }
  const known = Object.keys(TITLES).filter((name) => card[name] !== undefined && card[name] !== null);
  const others = Object.keys(card).filter((name) => !(name in TITLES) && card[name] !== null);
  const plain = Object.fromEntries(others.map((name) => [name, card[name]]));
  if (others.length) parts.push(show(plain));
  for (const name of known) {
    const content = name === "metrics" && isObject(card.metrics) ? metrics(card.metrics) : show(card[name]);
    parts.push(FOLDED.includes(name)
      ? el("details", {}, el("summary", {}, TITLES[name]), content)
      : el("section", {}, el("h3", {}, TITLES[name]), content));
  }
  place.replaceChildren(...parts);
}

const shape = (sizes) =>
  Array.isArray(sizes) ? `(${sizes.map((size) => size ?? "any").join(", ")})` : "any";

/** Every signature: its tensors with dtype and shape, and what else is known of them. */
export function showSignatures(place, signatures) {
  const details = Object.entries(signatures).map(([name, signature]) => {
    const tensors = ["inputs", "outputs"].flatMap((side) =>
      Object.entries(signature[side] || {}).map(([tensor, info]) => ({ side, tensor, info })),
    );
    const extra = [...new Set(tensors.flatMap(({ info }) => Object.keys(info)))].filter(
      (key) => key !== "dtype" && key !== "shape",
    );
    const rows = tensors.map(({ side, tensor, info }) => [
      tensor,
      side === "inputs" ? "input" : "output",
      info.dtype,
      shape(info.shape),
      ...extra.map((key) => (info[key] === undefined ? "" : scalar(info[key]))),
    ]);
    const header = ["tensor", "", "dtype", "shape", ...extra.map(words)];
    return el(
      "details",
      {},
      el("summary", {}, name, el("span", { class: "hint" }, ` ${counts(signature)}`)),
      table(header, rows, { "aria-label": `Tensors of ${name}` }),
    );
  });
  place.replaceChildren(...details);
}

const counts = (signature) =>
  ["inputs", "outputs"]
    .map((side) => Object.keys(signature[side] || {}).length)
    .map((count, place) => `${count} ${place ? "output" : "input"}${count === 1 ? "" : "s"}`)
    .join(", ");
