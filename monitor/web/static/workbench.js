/* Keys of the workbench. Silent while somebody types; each key does what a button does, so that nothing needs them. */
"use strict";

const typing = (target) => target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]") !== null;
const lines = () => [...document.querySelectorAll("#lines tr.line")];
const here = () => document.querySelector("#lines tr.here");

function moveTo(line) {
  if (!line) return;
  here()?.classList.remove("here");
  line.classList.add("here");
  line.scrollIntoView({ block: "nearest" });
  line.querySelector("a").focus({ preventScroll: true });
}

function step(by) {
  const all = lines();
  const at = all.indexOf(here());
  moveTo(all[Math.min(Math.max(at + by, 0), all.length - 1)]);
}

function open(line) {
  if (line) window.location.assign("/cases/" + line.dataset.case);
}

let taken = null;

function take(line) {
  if (line && document.getElementById("next")) {
    taken = line.dataset.case;
    htmx.ajax("POST", "/queue/" + line.dataset.case + "/take", { target: line, swap: "outerHTML" });
  }
}

/* Of a decision: first the outcome by its number, then the reason, whose words begin the note. */
function chooseByNumber(number) {
  const form = document.getElementById("close");
  if (!form) return;
  const codes = form.querySelector("fieldset.codes:not([hidden])");
  const options = (codes ?? form).querySelectorAll(`input[data-key="${number}"]`);
  const option = codes ? options[0] : form.querySelector(`input[name=outcome][data-key="${number}"]`);
  if (!option) return;
  option.checked = true;
  option.dispatchEvent(new Event("change", { bubbles: true }));
  option.focus();
}

function outcomeChosen(form, outcome) {
  for (const codes of form.querySelectorAll("fieldset.codes")) {
    const fits = codes.dataset.outcome === outcome;
    codes.hidden = !fits;
    codes.disabled = !fits;
    for (const each of codes.querySelectorAll("input[type=radio]")) each.checked = false;
  }
}

function reasonChosen(form, words) {
  const note = form.querySelector("textarea[name=note]");
  if (note.value === "" || note.dataset.begun === note.value) {
    note.value = words;
    note.dataset.begun = words;
  }
}

function unfold(id) {
  const details = document.getElementById(id);
  if (!details) return;
  details.open = true;
  details.querySelector("select, textarea, input:not([type=hidden]), button").focus();
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  o: () => open(here()),
  Enter: () => open(here()),
  a: () => (here() ? take(here()) : unfold("move-assign")),
  n: () => document.getElementById("next")?.click(),
  e: () => unfold("move-escalate"),
  s: () => unfold("move-snooze"),
  c: () => document.getElementById("note")?.focus(),
  q: () => document.getElementById("back")?.click(),
  r: () => document.getElementById("renew") && window.location.reload(),
  "/": () => document.getElementById("q")?.focus(),
  "?": () => document.getElementById("keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const form = event.target.closest?.("form.act") ?? document.getElementById("close");
    if (form) {
      event.preventDefault();
      form.requestSubmit();
    }
    return;
  }
  if (event.key === "Escape" && typing(event.target)) {
    event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && event.target.closest("a, button, summary") && !event.target.closest("#lines")) return;
  if (/^[1-9]$/.test(event.key)) {
    chooseByNumber(event.key);
    return;
  }
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (act) {
    event.preventDefault();
    act();
  }
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form#close");
  if (!form) return;
  if (event.target.name === "outcome") outcomeChosen(form, event.target.value);
  if (event.target.name === "reason") reasonChosen(form, event.target.dataset.words);
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
  const line = event.target.closest("#lines tr.line");
  if (line && !event.target.closest("a, td.pick")) open(line);
  if (event.target.id === "renew") {
    event.preventDefault();
    window.location.reload();
  }
});

/* A line that was exchanged keeps its place under the keys. */
document.addEventListener("htmx:load", (event) => {
  if (taken === null || event.detail.elt.id !== taken) return;
  taken = null;
  moveTo(event.detail.elt);
});

/* A piece that a refusal answers with is shown, where htmx would pass it over. */
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400) event.detail.shouldSwap = event.detail.xhr.getResponseHeader("HX-Retarget") !== null;
});

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("close");
  const chosen = form?.querySelector("input[name=outcome]:checked");
  if (chosen) outcomeChosen(form, chosen.value);
  if (lines().length && !document.location.hash) {
    lines()[0].classList.add("here");
  }
});
