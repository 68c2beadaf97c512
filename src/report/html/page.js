"use strict";
// Without this script everything is there, only not to be switched, sorted or searched.
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);

  // Colours: the system's unless somebody chose.
  const kept = {
    get: () => { try { return localStorage.getItem("etl-sync-theme") || ""; } catch { return ""; } },
    set: (theme) => { try { localStorage.setItem("etl-sync-theme", theme); } catch { /* then it lasts as long as the page */ } },
  };
  const setTheme = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    for (const button of all("[data-set-theme]")) button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme));
  };
  setTheme(kept.get());
  for (const button of all("[data-set-theme]")) {
    button.addEventListener("click", () => { setTheme(button.dataset.setTheme); kept.set(button.dataset.setTheme); });
  }

  // Tabs of the timeline.
  const tabs = all("[role=tab]");
  const choose = (tab) => {
    for (const other of tabs) {
      const on = other === tab;
      other.setAttribute("aria-selected", String(on));
      other.tabIndex = on ? 0 : -1;
      one(other.getAttribute("aria-controls")).hidden = !on;
    }
  };
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const next = tabs[(at + by + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  });
  if (tabs.length) choose(tabs[0]);

  // What a bar was, also for those who cannot point at it.
  const picked = one("picked");
  for (const lane of all(".lane svg")) {
    const tell = (event) => {
      const bar = event.target.closest(".span");
      if (!bar) return;
      if (event.type === "click") {
        for (const other of all(".is-picked")) other.classList.remove("is-picked");
        bar.classList.add("is-picked");
      }
      picked.textContent = bar.querySelector("title").textContent;
    };
    lane.addEventListener("click", tell);
    lane.addEventListener("pointerover", tell);
  }

  // The table of tables.
  const table = one("tables-of-run");
  if (table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const names = rows.map((row) => row.querySelector("summary").textContent.toLowerCase());
    const filter = () => {
      const name = one("filter-name").value.trim().toLowerCase();
      const status = one("filter-status").value;
      let shown = 0;
      rows.forEach((row, at) => {
        const fits = names[at].includes(name) && (!status || row.dataset.s === status);
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      one("filter-count").textContent = `${shown} of ${rows.length} tables`;
    };
    one("filter-name").addEventListener("input", filter);
    one("filter-status").addEventListener("change", filter);
    filter();

    const heads = [...table.tHead.rows[0].cells];
    const value = (row, column) => {
      const cell = row.cells[column];
      if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
      const summary = cell.querySelector("summary");
      return (summary || cell).textContent.toLowerCase();
    };
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const numbers = head.classList.contains("n");
        const before = head.getAttribute("aria-sort");
        const down = before ? before === "ascending" : numbers;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sorted = rows.map((row) => [value(row, column), row]);
        sorted.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
        body.append(...sorted.map(([, row]) => row));
      });
    });
    const columns = one("all-columns");
    columns.addEventListener("click", () => {
      const on = table.classList.toggle("all-columns");
      columns.setAttribute("aria-pressed", String(on));
    });
  }

  // On paper nothing can be opened.
  addEventListener("beforeprint", () => { for (const folded of all("details.as-table")) folded.open = true; });
})();
