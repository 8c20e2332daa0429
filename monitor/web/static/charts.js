/* Pictures of a case, drawn by ECharts. Each stands beside a table with the same, and takes its colours from the theme. */
"use strict";

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const DAY_MS = 86400000;
const day = (number) => new Date(number * DAY_MS).toISOString().slice(0, 10);
const moment = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
/* The tips are drawn on the canvas: as HTML they would bear styles of their own, which the policy of the pages forbids. */
const tip = () => ({
  renderMode: "richText", confine: true, backgroundColor: ink("card"), borderColor: ink("line"),
  textStyle: { color: ink("ink"), fontSize: 12 },
});
const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

function course(place) {
  const { points } = JSON.parse(place.dataset.drawn);
  const known = (at) => points.map((each) => [each[0], each[at]]);
  return {
    grid: { left: 4, right: 8, top: 5, bottom: 5 },
    xAxis: { type: "time", show: false },
    yAxis: { type: "value", show: false, min: 0 },
    tooltip: { ...tip(), trigger: "axis", formatter: ([first]) => {
      const each = points[first.dataIndex];
      return `${moment(each[0])}\n${each[3]}  (${each[4]})`;
    } },
    series: [
      { type: "line", data: known(2), step: "end", symbol: "none", lineStyle: { color: ink("red"), width: 1, type: "dashed" } },
      { type: "line", data: known(1), symbol: "circle", symbolSize: (value, at) => (at.dataIndex === points.length - 1 ? 7 : 0),
        showAllSymbol: true, itemStyle: { color: ink("blue") }, lineStyle: { color: ink("blue"), width: 1.5 } },
    ],
  };
}

function families(place) {
  const { rows } = JSON.parse(place.dataset.drawn);
  return {
    grid: { left: 4, right: 60, top: 4, bottom: 4, containLabel: true },
    xAxis: { type: "value", show: false },
    yAxis: { type: "category", inverse: true, data: rows.map(([name]) => name), axisLine: { lineStyle: { color: ink("line") } },
      axisTick: { show: false }, axisLabel: { color: ink("ink") } },
    tooltip: { ...tip(), trigger: "item" },
    series: [{ type: "bar", data: rows.map(([, points]) => points), barMaxWidth: 18, itemStyle: { color: ink("blue") },
      label: { show: true, position: "right", color: ink("ink"), formatter: ({ value }) => value.toFixed(1) } }],
  };
}

/* Payments in time. The height is the root of the amount among those of its currency, so that small ones are seen too. */
function money(place) {
  const rows = [...document.getElementById("movements").tBodies[0].rows];
  const largest = {};
  for (const { dataset: row } of rows) largest[row.currency] = Math.max(largest[row.currency] ?? 1, Number(row.minor));
  const mark = (row) => {
    const share = Math.sqrt(Number(row.dataset.minor || 0) / largest[row.dataset.currency]);
    const sign = row.dataset.way === "in" ? 1 : row.dataset.way === "out" ? -1 : 0;
    return { value: [Number(row.dataset.at), sign * (0.06 + share), share], name: row.cells[2].innerText,
      other: row.cells[3].innerText, hit: row.dataset.hit ?? "", itemStyle: {
        color: ink(row.dataset.off ? "dim" : row.dataset.way === "in" ? "green" : "blue"), opacity: row.dataset.off ? 0.4 : 0.75,
        borderColor: row.dataset.hit ? ink("red") : ink("card"), borderWidth: row.dataset.hit ? 2 : 0.5 } };
  };
  /* The first alert of a rule bears its name, the others only its line; names stand in turn at three heights. */
  const named = new Map();
  const alerts = JSON.parse(place.dataset.alerts).sort(([, one], [, other]) => one - other).map(([rule, ms]) => {
    const isFirst = !named.has(rule);
    if (isFirst) named.set(rule, named.size);
    return { name: `${rule} ${moment(ms)}`, xAxis: ms, label: { show: isFirst, formatter: rule, distance: 3 + 11 * (named.get(rule) % 3) } };
  });
  return {
    grid: { left: 40, right: 40, top: 42, bottom: 26 },
    xAxis: { type: "time", axisLine: { onZero: true, lineStyle: { color: ink("dim") } }, axisLabel: { color: ink("dim"), hideOverlap: true },
      splitLine: { show: false } },
    yAxis: { type: "value", min: -1.15, max: 1.15, interval: 1.15, splitLine: { show: false }, axisLabel: { color: ink("dim"),
      formatter: (value) => (value > 0 ? place.dataset.in : value < 0 ? place.dataset.out : "") } },
    tooltip: { ...tip(), trigger: "item", formatter: ({ data, componentType, name }) => (componentType === "markLine" ? name
      : `${moment(data.value[0])}\n${data.name}  ${data.other}${data.hit ? `\n${data.hit}` : ""}`) },
    brush: { xAxisIndex: 0, throttleType: "debounce", throttleDelay: 120, brushStyle: { color: "rgba(120,160,200,.18)", borderColor: ink("blue") },
      outOfBrush: { colorAlpha: 0.25 } },
    toolbox: { show: false },
    series: [{
      type: "scatter", data: rows.map(mark), symbolSize: (value) => 5 + 17 * value[2],
      markLine: { symbol: "none", silent: false, lineStyle: { color: ink("red"), type: "dashed", width: 1 },
        label: { color: ink("red"), fontSize: 10 }, data: alerts },
    }],
  };
}

function chooseTimes(chart, place) {
  const take = () => chart.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption: { brushType: "lineX", brushMode: "single" } });
  const choose = (from, until) => document.dispatchEvent(new CustomEvent("time:chosen", { detail: { from, until } }));
  take();
  chart.on("brushEnd", ({ areas }) => (areas.length ? choose(...areas[0].coordRange) : choose(null, null)));
  const clear = () => place.isConnected ? chart.dispatchAction({ type: "brush", areas: [] }) : document.removeEventListener("time:cleared", clear);
  document.addEventListener("time:cleared", clear);
}

/* The subject in the middle, who is one hop away around it, who is two hops away outside, near those who know them. */
function ring(nodes, edges, ratio) {
  const angle = new Map();
  const spot = new Map();
  const of = (hop) => nodes.filter((node) => node.hop === hop);
  const put = (list, radius) => list.forEach((node, at) => {
    const turn = (2 * Math.PI * (at + 0.5)) / list.length;
    angle.set(node.id, turn);
    spot.set(node.id, [radius * ratio * Math.cos(turn), radius * Math.sin(turn)]);
  });
  put(of(0), of(0).length > 1 ? 40 : 0);
  put(of(1), 170);
  const near = (node) => {
    const known = edges.flatMap(({ source, target }) => (source === node.id ? [target] : target === node.id ? [source] : []))
      .filter((id) => angle.has(id) && spot.get(id)[0] !== 0);
    const x = known.reduce((sum, id) => sum + Math.cos(angle.get(id)), 0);
    const y = known.reduce((sum, id) => sum + Math.sin(angle.get(id)), 0);
    return (Math.atan2(y, x) + 2 * Math.PI) % (2 * Math.PI);
  };
  const outer = of(2).map((node) => [near(node), node]).sort(([one], [other]) => one - other).map(([, node]) => node);
  put(outer, 320);
  return spot;
}

function graph(nodes, links) {
  return {
    tooltip: { ...tip(), trigger: "item", formatter: ({ data }) => data.words ?? data.full },
    animation: false,
    series: [{ type: "graph", layout: "none", roam: true, preserveAspect: "contain", left: 80, right: 80, top: 30, bottom: 40, data: nodes, links,
      edgeSymbol: ["none", "arrow"], edgeSymbolSize: 7, emphasis: { focus: "adjacency", label: { show: true } },
      labelLayout: { hideOverlap: true }, label: { color: ink("ink"), position: "bottom", fontSize: 11 } }],
  };
}

function network(place) {
  const { nodes, edges } = JSON.parse(place.dataset.drawn);
  const spot = ring(nodes, edges, (place.clientWidth - 160) / (place.clientHeight - 70));
  const span = [...place.parentElement.querySelectorAll(".slider input")].map((each) => Number(each.value));
  const colours = [ink("red"), ink("blue"), ink("dim")];
  const data = nodes.map((node) => ({
    id: String(node.id), name: String(node.id), full: `${node.name}  ${node.country}`, x: spot.get(node.id)[0], y: spot.get(node.id)[1],
    symbol: node.hop === 1 && !node.open ? "rect" : "circle", symbolSize: [26, 16, 10][node.hop], itemStyle: { color: colours[node.hop] },
    label: { show: node.hop < 2, formatter: node.name },
  }));
  const links = edges.flatMap((edge) => {
    const days = edge.days.filter(([number]) => number >= span[0] && number <= span[1]);
    const share = days.reduce((sum, each) => sum + each[2], 0);
    return days.length ? [{ source: String(edge.source), target: String(edge.target), words: edge.words,
      lineStyle: { width: 0.8 + 7 * Math.sqrt(share), color: ink("dim"), opacity: 0.55, curveness: 0.12 } }] : [];
  });
  return graph(data, links);
}

function path(place) {
  const { nodes, edges } = JSON.parse(place.dataset.drawn);
  const data = nodes.map((node, at) => ({ id: String(node.id), name: String(node.id), full: node.name, x: at * 160, y: (at % 2) * 26,
    symbolSize: 16, itemStyle: { color: at ? ink("blue") : ink("red") }, label: { show: true, formatter: node.name } }));
  const links = edges.map(({ source, target, words }) => ({ source: String(source), target: String(target), words,
    lineStyle: { width: 2, color: ink("dim"), curveness: 0.25 } }));
  return graph(data, links);
}

const DRAWS = { course, families, money, network, path };

function draw(place) {
  if (echarts.getInstanceByDom(place) || place.offsetParent === null) return;
  const chart = echarts.init(place, null, { renderer: "canvas" });
  chart.setOption({ animation: !still && place.dataset.draws !== "course", ...DRAWS[place.dataset.draws](place) });
  if (place.dataset.draws === "money") chooseTimes(chart, place);
  new ResizeObserver(() => place.isConnected && place.offsetParent !== null && chart.resize()).observe(place);
}

const drawAll = (within) => within.querySelectorAll?.("[data-draws]").forEach(draw);

document.addEventListener("htmx:load", (event) => drawAll(event.detail.elt.parentElement ?? event.detail.elt));
document.addEventListener("panel:shown", (event) => drawAll(event.detail));
document.addEventListener("toggle", (event) => event.target.open && drawAll(event.target), true);
document.addEventListener("htmx:beforeSwap", (event) => {
  for (const place of event.detail.target?.querySelectorAll?.("[data-draws]") ?? []) echarts.getInstanceByDom(place)?.dispose();
});

/* The slider of the network: the picture and the table show what falls into the time. */
document.addEventListener("input", (event) => {
  const slider = event.target.closest(".slider");
  if (!slider) return;
  const [from, until] = slider.querySelectorAll("input");
  if (Number(from.value) > Number(until.value)) (event.target === from ? until : from).value = event.target.value;
  slider.querySelector("output.from").value = day(Number(from.value));
  slider.querySelector("output.until").value = day(Number(until.value));
  for (const row of document.querySelector("#edges tbody").rows) {
    row.hidden = Number(row.dataset.last) < Number(from.value) || Number(row.dataset.first) > Number(until.value);
  }
  const place = slider.parentElement.querySelector("[data-draws=network]");
  echarts.getInstanceByDom(place)?.setOption(network(place));
});
