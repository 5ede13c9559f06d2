"use strict";
(() => {
  const PAGE = 100;
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const more = document.getElementById("more");
  const nodes = document.getElementById("nodes");
  const FIELDS = ["verdict", "check", "source", "destination", "service", "expected", "observed", "because", "rule",
    "conduit", "written at", "attempts"];
  const ORDER = { FAIL: 0, INCONCLUSIVE: 1, SKIPPED: 2, PASS: 3 };

  const results = data.rows.map((row) => {
    const result = { evidence: row[FIELDS.length].map((word) => data.words[word]).join("; ") };
    FIELDS.forEach((field, at) => { result[field] = data.words[row[at]]; });
    result.requirement = data.requirements[result.check];
    result.fromZone = data.zones[result.source] || "";
    result.toZone = data.zones[result.destination] || "";
    return result;
  });
  results.sort((a, b) => ORDER[a.verdict] - ORDER[b.verdict]);

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const way = (result) => {
    const ends = [result.source, result.destination].filter(Boolean).join(" → ");
    return [ends, result.service].filter(Boolean).join(" ");
  };

  const options = (select, values) => values.forEach((value) => select.append(new Option(value, value)));
  const groups = (select, end, zone) => {
    const members = new Map();
    results.forEach((result) => {
      if (!result[zone]) return;
      if (!members.has(result[zone])) members.set(result[zone], new Set());
      members.get(result[zone]).add(result[end]);
    });
    members.forEach((names, name) => {
      const group = document.createElement("optgroup");
      group.label = name;
      group.append(new Option(`all of ${name}`, `zone:${name}`));
      [...names].sort().forEach((node) => group.append(new Option(node, `node:${node}`)));
      select.append(group);
    });
  };
  options(form.elements.check, [...new Set(results.map((result) => result.check))].sort());
  groups(form.elements.from, "source", "fromZone");
  groups(form.elements.to, "destination", "toZone");

  const at = (choice, node, zone) => !choice || choice === `node:${node}` || choice === `zone:${zone}`;
  let matching = [];
  let visible = 0;

  const filter = () => {
    const verdicts = new Set([...form.querySelectorAll("[name=verdict]:checked")].map((box) => box.value));
    const check = form.elements.check.value;
    const from = form.elements.from.value;
    const to = form.elements.to.value;
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    matching = results.filter((result) => {
      if (!verdicts.has(result.verdict) || (check && check !== result.check)) return false;
      if (!at(from, result.source, result.fromZone) || !at(to, result.destination, result.toZone)) return false;
      if (!words.length) return true;
      const said = Object.values(result).join("\n").toLowerCase();
      return words.every((word) => said.includes(word));
    });
    visible = 0;
    list.replaceChildren();
    show();
    document.querySelectorAll(".truth [data-from]").forEach((button) => {
      const pressed = from === `zone:${button.dataset.from}` && to === `zone:${button.dataset.to}`;
      button.setAttribute("aria-pressed", String(pressed));
    });
  };

  const show = () => {
    const next = matching.slice(visible, visible + PAGE);
    list.append(...next.map(item));
    visible += next.length;
    more.hidden = visible >= matching.length;
    const number = (count) => count.toLocaleString("en");
    const of = matching.length === results.length ? "" : ` of ${number(results.length)}`;
    document.getElementById("shown").textContent =
      `${number(matching.length)}${of} results${visible < matching.length ? `; the first ${number(visible)}:` : ""}`;
  };

  const item = (result) => {
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.append(element("span", result.verdict, `word ${result.verdict}`), " ", element("b", result.check), ` ${way(result)}: `,
      result.observed || result.because);
    details.append(summary);
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(explained(result));
    });
    return details;
  };

  const explained = (result) => {
    const said = document.createElement("dl");
    ["requirement", "expected", "observed", "because", "evidence", "rule", "conduit", "written at"].forEach((field) => {
      if (result[field]) said.append(element("dt", field), element("dd", result[field]));
    });
    if (result.attempts !== "1") said.append(element("dt", "attempts"), element("dd", result.attempts));
    return said;
  };

  const fold = (source, destination) => {
    const cells = new Map();
    const rows = new Set();
    const columns = new Set();
    results.filter((result) => result.fromZone === source && result.toZone === destination).forEach((result) => {
      rows.add(result.source);
      columns.add(result.destination);
      const key = JSON.stringify([result.source, result.destination]);
      if (!cells.has(key)) cells.set(key, { FAIL: 0, INCONCLUSIVE: 0, SKIPPED: 0, open: new Set(), shut: new Set() });
      const cell = cells.get(key);
      if (result.verdict === "PASS") (result.conduit ? cell.open : cell.shut).add(result.service);
      else cell[result.verdict] += 1;
    });
    const table = element("table", undefined, "truth");
    table.append(element("caption", `${source} → ${destination}, node by node`));
    const head = table.createTHead().insertRow();
    ["from \\ to", ...columns].forEach((name) => {
      const cell = element("th", name);
      cell.scope = "col";
      head.append(cell);
    });
    const body = table.createTBody();
    rows.forEach((from) => {
      const row = body.insertRow();
      const name = element("th", from);
      name.scope = "row";
      row.append(name);
      columns.forEach((to) => row.append(nodeCell(cells.get(JSON.stringify([from, to])), from, to)));
    });
    nodes.replaceChildren(table);
  };

  const nodeCell = (found, from, to) => {
    const cell = document.createElement("td");
    if (!found) {
      cell.className = "none";
      cell.append(element("span", "·"));
      return cell;
    }
    const said = [];
    if (found.FAIL) said.push(`${found.FAIL} FAIL`);
    if (found.INCONCLUSIVE) said.push(`${found.INCONCLUSIVE} unclear`);
    if (found.open.size) said.push(`open: ${[...found.open].join(", ")}`);
    if (found.shut.size) said.push(`${found.shut.size} shut`);
    if (found.SKIPPED) said.push(`${found.SKIPPED} skipped`);
    const [tone, mark] = found.FAIL ? ["FAIL", "✗"] : found.INCONCLUSIVE ? ["INCONCLUSIVE", "?"]
      : found.open.size ? ["PASS", "✓"] : ["shut", "✓"];
    cell.className = tone;
    const button = element("button");
    button.type = "button";
    button.append(element("span", mark, "mark"), ...said.map((line) => element("small", line)));
    button.addEventListener("click", () => {
      choose(form.elements.from, `node:${from}`);
      choose(form.elements.to, `node:${to}`);
      filter();
      document.getElementById("results").scrollIntoView();
    });
    cell.append(button);
    return cell;
  };

  const choose = (select, value) => {
    select.value = value;
    if (select.selectedIndex < 0) select.value = "";
  };

  document.querySelectorAll(".truth [data-from]").forEach((button) => button.addEventListener("click", () => {
    const again = button.getAttribute("aria-pressed") === "true";
    choose(form.elements.from, again ? "" : `zone:${button.dataset.from}`);
    choose(form.elements.to, again ? "" : `zone:${button.dataset.to}`);
    if (again) nodes.replaceChildren();
    else fold(button.dataset.from, button.dataset.to);
    filter();
  }));
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { nodes.replaceChildren(); filter(); }));
  more.addEventListener("click", show);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details.finding").forEach((details) => { details.open = true; });
  });
  form.hidden = false;
  filter();
})();
