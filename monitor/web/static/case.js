/* The page of a case: tabs, and tables that are sorted and narrowed where they stand. */
"use strict";

const tabs = () => [...document.querySelectorAll("[role=tab]")];

function showTab(tab, { focus = false } = {}) {
  for (const each of tabs()) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    const panel = document.getElementById(each.getAttribute("aria-controls"));
    panel.hidden = !chosen;
    if (chosen) {
      for (const piece of panel.querySelectorAll(":scope > .piece")) htmx.trigger(piece, "shown");
      document.dispatchEvent(new CustomEvent("panel:shown", { detail: panel }));
    }
  }
  if (focus) tab.focus({ preventScroll: true });
}

/* An address that leads to a place inside a panel opens that panel. */
function showPlace() {
  const place = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  const panel = place?.closest("[role=tabpanel][hidden]");
  if (!panel) return;
  showTab(document.getElementById(panel.getAttribute("aria-labelledby")));
  place.scrollIntoView();
}

document.addEventListener("DOMContentLoaded", showPlace);
window.addEventListener("hashchange", showPlace);

document.addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) showTab(tab);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const all = tabs();
  const at = all.indexOf(event.target);
  const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 };
  if (at >= 0 && event.key in steps) {
    event.preventDefault();
    showTab(all[(steps[event.key] + all.length) % all.length], { focus: true });
    return;
  }
  const wanted = all.find((each) => each.dataset.tab === event.key);
  if (wanted) {
    event.preventDefault();
    showTab(wanted, { focus: true });
  }
});

/* Sorting: by numbers that a row carries, or by the words of the column. */
function sortBy(button) {
  const head = button.closest("th");
  const body = button.closest("table").tBodies[0];
  const falls = head.getAttribute("aria-sort") === "ascending";
  for (const each of button.closest("tr").cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falls ? "descending" : "ascending");
  const key = button.dataset.sort;
  const cell = head.cellIndex;
  const value = (row) => {
    if (key === "text") return row.cells[cell].innerText.trim().toLowerCase();
    const given = row.dataset[key];
    return key === "way" ? given : given === "" ? -Infinity : Number(given);
  };
  const rows = [...body.rows].map((row) => [value(row), row]);
  const sign = falls ? -1 : 1;
  rows.sort(([one], [other]) => (one < other ? -sign : one > other ? sign : 0));
  body.append(...rows.map(([, row]) => row));
}

/* What of the payments is shown: a time, a counterparty, or both. */
const chosen = { from: null, until: null, party: null };

function narrow(change) {
  Object.assign(chosen, change);
  const rows = [...(document.getElementById("movements")?.tBodies[0].rows ?? [])];
  let shown = 0;
  for (const row of rows) {
    const at = Number(row.dataset.at);
    const inTime = chosen.from === null || (at >= chosen.from && at <= chosen.until);
    row.hidden = !(inTime && (chosen.party === null || row.dataset.party === chosen.party));
    shown += row.hidden ? 0 : 1;
  }
  const counted = document.querySelector(".counted");
  if (!counted) return;
  counted.textContent = counted.dataset.words.replace("{n}", shown).replace("{m}", rows.length);
  document.querySelector("button.all").hidden = shown === rows.length;
  for (const each of document.querySelectorAll("button.party")) {
    each.setAttribute("aria-pressed", String(each.dataset.party === chosen.party));
  }
  const link = document.querySelector("a.export");
  const form = link.closest("form");
  const at = (ms, name) => (ms === null ? form.elements[name].value : new Date(ms).toISOString().replace(/\.\d+Z/, "Z"));
  const until = chosen.until === null ? null : Math.floor(chosen.until / 1000) * 1000 + 1000;
  link.href = `${link.dataset.file}?from=${at(chosen.from, "from")}&until=${at(until, "until")}`;
}

document.addEventListener("click", (event) => {
  const sort = event.target.closest("button.sort");
  if (sort) sortBy(sort);
  const party = event.target.closest("button.party");
  if (party) narrow({ party: chosen.party === party.dataset.party ? null : party.dataset.party });
  if (event.target.closest("button.all")) {
    narrow({ from: null, until: null, party: null });
    document.dispatchEvent(new CustomEvent("time:cleared"));
  }
});

document.addEventListener("time:chosen", (event) => narrow(event.detail));
document.addEventListener("htmx:load", (event) => {
  if (event.detail.elt.querySelector?.("#movements") || event.detail.elt.id === "movements") {
    narrow({ from: null, until: null, party: null });
  }
});

/* A link that goes to a part of a hidden tab shows the tab. */
document.addEventListener("DOMContentLoaded", () => {
  const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  const panel = target?.closest("[role=tabpanel]");
  if (panel) showTab(document.getElementById(panel.getAttribute("aria-labelledby")));
});
