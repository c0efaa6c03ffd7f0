// What a page does beyond its markup. Without it everything is there, and readable.
"use strict";

/** Light, dark, or as the system has it; kept for this tab's visits where the browser lets us. */
function addTheme() {
  const button = document.querySelector("#theme");
  if (button === null) return;
  const root = document.documentElement;
  const stored = () => {
    try {
      return sessionStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const isDark = () =>
    (root.dataset.theme ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => {
    button.textContent = isDark() ? "Light" : "Dark";
  };
  const known = stored();
  if (known === "light" || known === "dark") root.dataset.theme = known;
  button.hidden = false;
  label();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      sessionStorage.setItem("theme", root.dataset.theme);
    } catch {
      // A file opened from disk may have no storage.
    }
    label();
  });
}

/** A field above a table, or above several, that hides the rows without its words. */
function addSearch(place) {
  const line = document.createElement("p");
  line.className = "search";
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("output");
  input.type = "search";
  label.append(`${place.dataset.search} `, input);
  line.append(label, count);
  if (place.tagName === "TABLE") place.closest(".scroll").before(line);
  else place.prepend(line);
  const rows = [...place.querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [i, row] of rows.entries()) {
      const hit = words.every((word) => texts[i].includes(word));
      row.hidden = !hit;
      if (hit) shown++;
    }
    for (const folded of place.querySelectorAll("details")) folded.open = words.length > 0;
    count.textContent = words.length === 0 ? "" : `${shown} of ${rows.length} rows`;
  });
}

/** Cells of a heat map: one stop of the Tab key, then the arrow keys. */
function addArrows(grid) {
  const rows = [...grid.tBodies[0].rows].map((row) =>
    [...row.cells].slice(1).map((cell) => cell.querySelector("a")),
  );
  const links = rows.flat().filter((link) => link !== null);
  for (const link of links.slice(1)) link.tabIndex = -1;
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  grid.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (step === undefined) return;
    let y = rows.findIndex((row) => row.includes(event.target));
    let x = rows[y]?.indexOf(event.target) ?? -1;
    if (x < 0) return;
    do {
      y += step[0];
      x += step[1];
    } while (rows[y] !== undefined && rows[y][x] === null);
    const next = rows[y]?.[x];
    if (next === undefined) return;
    event.preventDefault();
    for (const link of links) link.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

/** The cut through a merge tree moves; pools follow. */
function addCut(tree) {
  const line = tree.querySelector(".cutter");
  const input = line.querySelector("input");
  const output = line.querySelector("output");
  const svg = tree.querySelector("svg");
  const cut = svg.querySelector(".cut");
  const counts = tree.dataset.counts.split(" ").map(Number);
  const joints = [...svg.querySelectorAll(".joint")];
  const leaves = [...svg.querySelectorAll(".leaf")];
  const show = () => {
    const at = Number(input.value);
    const pools = counts[at];
    const text = `${pools} ${pools === 1 ? "pool" : "pools"}`;
    const x = Number(svg.dataset.labels) + at * Number(svg.dataset.step);
    cut.setAttribute("transform", `translate(${x} 0)`);
    cut.querySelector("text").textContent = `cut: ${text}`;
    for (const [i, joint] of joints.entries()) {
      joint.setAttribute("class", i < at ? "joint joined" : "joint apart");
    }
    for (const leaf of leaves) {
      leaf.querySelector(".pool").textContent = `pool ${leaf.dataset.pools.split(" ")[at]}`;
    }
    output.textContent = `${text}: evenkeel plan … --split ${pools}`;
  };
  /** The address follows, so that it can be sent to somebody. */
  const remember = () => {
    const { address } = tree.dataset;
    if (address === undefined) return;
    const url = new URL(location.href);
    url.searchParams.set(address, counts[Number(input.value)]);
    history.replaceState(null, "", url);
    for (const [i, link] of [...tree.querySelectorAll(".cuts a")].entries()) {
      if (i === Number(input.value)) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  const moveTo = (at) => {
    input.value = String(at);
    show();
    remember();
  };
  line.hidden = false;
  input.value = tree.dataset.cut;
  input.addEventListener("input", () => moveTo(Number(input.value)));
  addDrag(svg, cut, moveTo);
  show();
}

/** The cut is dragged along the joints, and stays between two of them. */
function addDrag(svg, cut, moveTo) {
  const { labels, step } = svg.dataset;
  const most = svg.querySelectorAll(".joint").length;
  cut.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    cut.setPointerCapture(event.pointerId);
  });
  cut.addEventListener("pointermove", (event) => {
    if (!cut.hasPointerCapture(event.pointerId)) return;
    const x = event.clientX - svg.getBoundingClientRect().left;
    const at = Math.round((x - Number(labels)) / Number(step));
    moveTo(Math.min(most, Math.max(0, at)));
  });
}

/** A page of a server is read again when something happens; what is typed stays. */
function addEvents() {
  const { events } = document.body.dataset;
  if (events === undefined) return;
  const source = new EventSource(events);
  const typing = new Set(["INPUT", "SELECT"]);
  const busy = () => typing.has(document.activeElement?.tagName) || location.hash !== "";
  source.addEventListener("change", () => {
    if (!busy()) location.reload();
  });
}

addTheme();
for (const place of document.querySelectorAll("[data-search]")) addSearch(place);
for (const grid of document.querySelectorAll("table.grid")) addArrows(grid);
for (const tree of document.querySelectorAll("figure.tree")) addCut(tree);
addEvents();
