/* Choosing several lines of the queue, and what can be done to them. Builds on workbench.js, whose keys it adds to. */
"use strict";

const boxes = () => [...document.querySelectorAll("#lines td.pick input")];
const boxOf = (line) => line?.querySelector("td.pick input");
let lastPicked = null;

function picked() {
  const all = boxes();
  const chosen = all.filter((box) => box.checked);
  for (const box of all) box.closest("tr").classList.toggle("picked", box.checked);
  const bar = document.getElementById("bulk");
  if (!bar) return;
  bar.hidden = chosen.length === 0;
  document.getElementById("bulk-count").textContent = chosen.length;
  const every = document.getElementById("pick-all");
  if (every) {
    every.checked = all.length > 0 && chosen.length === all.length;
    every.indeterminate = chosen.length > 0 && chosen.length < all.length;
  }
}

function pick(box, on) {
  if (!box) return;
  box.checked = on;
  lastPicked = box;
  picked();
}

/* From the box chosen last to this one, all as this one. */
function pickTo(box, on) {
  const all = boxes();
  const [from, to] = [all.indexOf(lastPicked), all.indexOf(box)].sort((one, other) => one - other);
  if (to < 0) return;
  for (const each of all.slice(Math.max(from, 0), to + 1)) each.checked = on;
  lastPicked = box;
  picked();
}

function pickEvery(on) {
  for (const box of boxes()) box.checked = on;
  picked();
}

function actChosen() {
  const act = document.getElementById("bulk-act").value;
  for (const label of document.querySelectorAll("#bulk [data-act]")) {
    const fits = label.dataset.act.split(" ").includes(act);
    label.hidden = !fits;
    label.querySelector("select, input").disabled = !fits;
  }
}

function skipHere() {
  const dialog = document.getElementById("skip");
  if (!dialog) return unfold("move-skip");
  if (!here()) return;
  dialog.querySelector("form").action = "/queue/" + here().dataset.case + "/skip";
  dialog.showModal();
}

/* Items of the checklist that the chosen outcome waits for: the browser asks for them before it sends the form. */
const waiting = () => [...document.querySelectorAll("#close .checklist input:required:not(:checked)")];

function outcomeNeeds(outcome) {
  for (const box of document.querySelectorAll("#close .checklist input")) {
    box.required = !box.disabled && box.dataset.outcomes.split(" ").includes(outcome);
    box.closest("label").classList.toggle("needed", box.required);
  }
}

Object.assign(KEYS, {
  x: () => pick(boxOf(here()), !boxOf(here())?.checked),
  X: () => pickTo(boxOf(here()), true),
  "*": () => pickEvery(boxes().some((box) => !box.checked)),
  b: () => document.getElementById("bulk")?.hidden === false && document.getElementById("bulk-act").focus(),
  Escape: () => pickEvery(false),
  u: () => document.getElementById("undo")?.click(),
  m: () => waiting()[0]?.click(),
  z: skipHere,
  t: () => document.querySelector("input#tag")?.focus(),
});

document.addEventListener("click", (event) => {
  if (event.target.id === "bulk-none") pickEvery(false);
  if (event.target.id === "pick-all") pickEvery(event.target.checked);
  const box = event.target.closest("td.pick input");
  if (box && event.shiftKey && lastPicked) pickTo(box, box.checked);
  else if (box) pick(box, box.checked);
});

document.addEventListener("change", (event) => {
  if (event.target.id === "bulk-act") actChosen();
  if (event.target.name === "outcome" && event.target.closest("#close")) outcomeNeeds(event.target.value);
});

/* Lines that came later are not chosen; what is chosen stays so. */
document.addEventListener("htmx:load", picked);
document.addEventListener("DOMContentLoaded", picked);
window.addEventListener("pageshow", picked);
