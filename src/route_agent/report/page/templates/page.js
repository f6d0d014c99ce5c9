"use strict";
(() => {
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  root.classList.add("js");

  // the theme: as the system has it, or one of the two
  const themes = ["automatic", "dark", "light"];
  const button = find("theme");
  const remember = (name) => { try { localStorage.setItem("route-agent-theme", name); } catch { /* it may not */ } };
  const recall = () => { try { return localStorage.getItem("route-agent-theme"); } catch { return null; } };
  const apply = (name) => {
    if (name === "automatic") delete root.dataset.theme; else root.dataset.theme = name;
    button.querySelector("span").textContent = name;
  };
  let theme = themes.includes(recall()) ? recall() : "automatic";
  button.hidden = false;
  apply(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    apply(theme);
    remember(theme);
  });

  // a link to a run opens it; closing it leads back to its row
  const open = () => {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { /* as it is */ }
    const body = id.startsWith("run-") && find(id);
    if (!body) return;
    body.closest("details").open = true;
    body.closest("details").scrollIntoView();
    body.focus({ preventScroll: true });
  };
  addEventListener("hashchange", open);
  open();
  for (const link of document.querySelectorAll('#list a')) {
    link.addEventListener("click", () => { if (link.hash === location.hash) open(); });
  }
  for (const run of document.querySelectorAll("details.run")) {
    run.addEventListener("toggle", () => {
      if (run.open) return;
      const link = document.querySelector(`#list a[href="#${CSS.escape(run.querySelector(".body").id)}"]`);
      if (link) link.focus();
    });
  }

  const list = find("list");
  if (!list) return;
  const body = list.tBodies[0];
  const rows = [...body.rows];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  // what is looked for
  const fields = { lane: find("by-lane"), verdict: find("by-verdict"), kind: find("by-class") };
  const total = find("found").textContent;
  const filter = () => {
    const wanted = find("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    for (const row of rows) {
      const fits = wanted.every((word) => texts.get(row).includes(word))
        && (!fields.lane.value || row.dataset.l.split(" ").includes(fields.lane.value))
        && (!fields.verdict.value || row.dataset.v === fields.verdict.value)
        && (!fields.kind.value || row.dataset.c === fields.kind.value);
      row.hidden = !fits;
      seen += fits;
    }
    find("found").textContent = seen === rows.length ? total : `${seen} of ${rows.length} listed runs`;
  };
  const form = find("filters");
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();

  // the order
  const heads = [...list.tHead.rows[0].cells];
  const key = (row, at, by) => by === "number" ? Number(row.cells[at].dataset.s) : row.cells[at].textContent;
  heads.forEach((head, at) => {
    const press = document.createElement("button");
    press.type = "button";
    press.textContent = head.textContent;
    head.replaceChildren(press);
    press.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const by = head.dataset.by;
      rows.sort((a, b) => {
        const [x, y] = [key(a, at, by), key(b, at, by)];
        const order = by === "number" ? x - y : x.localeCompare(y);
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
})();
