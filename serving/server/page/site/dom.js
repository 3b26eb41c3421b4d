// Elements with text, never with markup: names and tokens come from users.

/** Makes an element. Properties are set as attributes; children are nodes or texts. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null));
  return made;
}

/** A table: header cells, then rows of cells; the first cell of a row is its header. */
export function table(header, rows, attributes = {}) {
  const cells = (row) =>
    row.map((cell, place) => (place ? el("td", {}, cell) : el("th", { scope: "row" }, cell)));
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": attributes["aria-label"] },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, header.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, cells(row)))),
    ),
  );
}

/** Asks the server. Throws an Error with `fields`: column -> what is wrong with it. */
export async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer, value;
  try {
    answer = await fetch(path, options || {});
    value = await answer.json();
  } catch {
    throw new Error(
      answer
        ? `The server answered ${answer.status} without a reason. Its log may tell more.`
        : "The server does not answer. Start it again, then reload the page.",
    );
  }
  if (!answer.ok) throw Object.assign(new Error(value.error), { fields: value.fields || {} });
  return value;
}
