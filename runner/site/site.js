"use strict";
// Adds to pages that are whole without it: sorting and filtering of the index, and a readout of
// the charts. Text is only ever set as text; nothing is read but the page itself.

function makeSortable(table) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const inOrderOf = (place, numeric, sign) => (one, other) => {
    const [a, b] = [one, other].map((row) => row.cells[place].dataset.key);
    // What has no figure is last in both directions: it is not the smallest.
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b));
  };
  heads.forEach((head, place) => {
    const kind = head.dataset.sort;
    if (kind === "none") return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      // Figures are asked for from the top, names from A.
      const first = kind === "number" ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      body.append(...Array.from(body.rows).sort(inOrderOf(place, kind === "number", sign)));
    });
  });
}

function makeFilter(table) {
  const rows = Array.from(table.tBodies[0].rows);
  const words = document.createElement("input");
  words.type = "search";
  words.placeholder = "Filter by name, family or GPU";
  words.setAttribute("aria-label", words.placeholder);
  const verdict = document.createElement("select");
  verdict.setAttribute("aria-label", "Verdict");
  verdict.append(new Option("every verdict", ""));
  for (const word of new Set(rows.map((row) => row.dataset.kind))) {
    verdict.append(new Option(word, word));
  }
  const told = document.createElement("output");
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = wanted.every((word) => text.includes(word));
      row.hidden = !fits || (verdict.value !== "" && verdict.value !== row.dataset.kind);
      shown += row.hidden ? 0 : 1;
    }
    told.textContent = `${shown} of ${rows.length}`;
  };
  words.addEventListener("input", apply);
  verdict.addEventListener("change", apply);
  const bar = document.createElement("div");
  bar.className = "filter";
  bar.append(words, verdict, told);
  table.parentElement.before(bar);
  apply();
}

function makeReadout(chart) {
  const plot = chart.querySelector("svg.plot");
  const nights = Array.from(plot.querySelectorAll(".night"));
  const told = nights.map((night) => {
    const title = night.querySelector("title");
    const text = title.textContent;
    title.remove(); // the browser would show it beside ours
    return text;
  });
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  chart.append(tip);
  let here = nights.length - 1;

  const show = (place) => {
    nights[here].classList.remove("here");
    here = place;
    nights[here].classList.add("here");
    tip.textContent = told[here];
    tip.hidden = false;
    plot.setAttribute("aria-valuenow", String(here));
    plot.setAttribute("aria-valuetext", told[here]);
    const frame = chart.getBoundingClientRect();
    const cross = nights[here].querySelector(".cross").getBoundingClientRect();
    // Below its night and within the chart: the lines stay in sight.
    const left = cross.left - frame.left - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(0, Math.min(left, frame.width - tip.offsetWidth))}px`;
  };
  const hide = () => {
    tip.hidden = true;
    nights[here].classList.remove("here");
  };
  nights.forEach((night, place) => night.addEventListener("pointerenter", () => show(place)));
  plot.addEventListener("pointerleave", () => document.activeElement !== plot && hide());
  window.addEventListener("resize", hide);
  plot.addEventListener("focus", () => show(here));
  plot.addEventListener("blur", hide);
  // A slider over nights: what arrow keys do there is known to every screen reader.
  plot.setAttribute("role", "slider");
  plot.setAttribute("tabindex", "0");
  plot.setAttribute("aria-valuemin", "0");
  plot.setAttribute("aria-valuemax", String(nights.length - 1));
  plot.setAttribute("aria-valuenow", String(here));
  plot.setAttribute("aria-valuetext", told[here]);
  plot.addEventListener("keydown", (event) => {
    const last = nights.length - 1;
    const steps = {
      ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1,
      PageUp: here + 7, PageDown: here - 7, Home: 0, End: last,
    };
    if (event.key === "Escape") hide();
    if (!(event.key in steps)) return;
    event.preventDefault();
    show(Math.max(0, Math.min(last, steps[event.key])));
  });
}

function makeChoice(charts) {
  const figures = Array.from(charts.querySelectorAll("figure"));
  if (figures.length < 2) return;
  const choice = document.createElement("select");
  choice.setAttribute("aria-label", "Chart");
  figures.forEach((figure, place) => {
    const caption = figure.querySelector("figcaption");
    choice.append(new Option(caption.textContent, String(place)));
    caption.hidden = true;
    figure.hidden = place !== 0;
  });
  choice.addEventListener("change", () => {
    figures.forEach((figure, place) => { figure.hidden = String(place) !== choice.value; });
  });
  charts.prepend(choice);
}

document.querySelectorAll("table.kernels").forEach((table) => {
  makeFilter(table);
  makeSortable(table);
});
document.querySelectorAll(".chart").forEach(makeReadout);
document.querySelectorAll(".charts").forEach(makeChoice);
