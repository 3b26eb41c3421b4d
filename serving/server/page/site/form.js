// The fields of a row: texts on the page, raw values in the request.

import { el } from "./dom.js";

// A token stands as it is, or as a JSON text where it would not be seen or not be read back.
const written = (token) => (/^$|^"|[\n\r]/.test(token) ? JSON.stringify(token) : token);

function token(text) {
  if (!text.startsWith('"')) return text;
  try {
    const read = JSON.parse(text);
    return typeof read === "string" ? read : text;
  } catch {
    return text;
  }
}

const lines = (text) => text.split("\n").filter((line) => line !== "").map(token);

// Editor -> how a value is written into the field, and how it is read. "" is missing.
const EDITORS = {
  token: { write: written, read: token },
  number: { write: (value) => value, read: (text) => text.trim() },
  tokens: { write: (values) => values.map(written).join("\n"), read: lines },
  numbers: {
    write: (values) => values.join(" "),
    read: (text) => text.split(/[\s,;]+/).filter((part) => part !== ""),
  },
};

export class RowForm {
  /** Builds the fields of a model into `place`; `onChange` is called after every edit. */
  constructor(place, fields, onChange) {
    this.inputs = new Map(fields.map((field, index) => [field.name, this.build(field, index)]));
    place.replaceChildren(...[...this.inputs.values()].map(({ box }) => box));
    this.changed = onChange;
  }

  build(field, index) {
    const id = `field-${index}`;
    const many = field.editor === "tokens" || field.editor === "numbers";
    const input = el(many ? "textarea" : "input", {
      id,
      type: many ? null : "text",
      rows: many ? 3 : null,
      inputmode: field.editor === "number" ? "decimal" : null,
      placeholder: "missing",
      spellcheck: "false",
      "aria-describedby": `${id}-hint ${id}-error`,
    });
    const readers = field.features.length ? `; read by ${field.features.join(", ")}` : "";
    const perLine = field.editor === "tokens" ? ", one a line" : "";
    const count = el("span", { class: "count" });
    const error = el("p", { class: "error", id: `${id}-error` });
    const box = el(
      "div",
      { class: many ? "field many" : "field" },
      el("label", { for: id }, field.name),
      input,
      el("p", { class: "hint", id: `${id}-hint` }, field.hint, perLine, readers, count),
      error,
    );
    input.addEventListener("input", () => {
      this.clearError(field.name);
      this.countSteps();
      this.changed();
    });
    return { field, box, input, error, count };
  }

  /** Fills the fields; what the row leaves out is missing. */
  fill(row) {
    for (const [name, { field, input }] of this.inputs) {
      input.value = Object.hasOwn(row, name) ? EDITORS[field.editor].write(row[name]) : "";
      this.clearError(name);
    }
    this.countSteps();
  }

  /** Raw column -> value, without what is missing. */
  row() {
    const read = [...this.inputs].map(([name, { field, input }]) => [
      name,
      EDITORS[field.editor].read(input.value),
    ]);
    return Object.fromEntries(read.filter(([, value]) => value.length));
  }

  /** Says how long lists are, because sequences of one history are aligned. */
  countSteps() {
    const row = this.row();
    const lengthOf = (name) => (Object.hasOwn(row, name) ? row[name].length : 0);
    for (const [name, { field, count }] of this.inputs) {
      if (field.editor !== "tokens") continue;
      const other = [...this.inputs.values()].find(
        (each) => field.history && each.field.history === field.history && lengthOf(each.field.name) !== lengthOf(name),
      );
      count.textContent = `; ${lengthOf(name)} here${
        other ? `, but ${lengthOf(other.field.name)} in ${other.field.name}` : ""
      }`;
      count.classList.toggle("odd", Boolean(other));
    }
  }

  /** Shows each message at its field and moves there; returns those that have no field. */
  showErrors(fields) {
    for (const name of this.inputs.keys()) this.clearError(name);
    const rest = [];
    let first = null;
    for (const [name, message] of Object.entries(fields)) {
      const found = this.inputs.get(name);
      if (!found) {
        rest.push(message);
        continue;
      }
      found.error.textContent = message;
      found.input.setAttribute("aria-invalid", "true");
      first = first || found.input;
    }
    if (first) first.focus();
    return rest;
  }

  clearError(name) {
    const { input, error } = this.inputs.get(name);
    input.removeAttribute("aria-invalid");
    error.textContent = "";
  }
}

/** A short name for an example row, from its first tokens. */
export function summary(row, fields) {
  const parts = fields
    .filter((field) => field.editor === "token" && Object.hasOwn(row, field.name))
    .slice(0, 2)
    .map((field) => `${field.name} ${cut(row[field.name], 20)}`);
  return parts.join(", ");
}

const cut = (text, length) => (text.length > length ? `${text.slice(0, length)}…` : text);
