"use strict";

// --- pictures of one place, moved and magnified together -----------------------------------------------

for (const viewer of document.querySelectorAll(".viewer")) {
  const data = viewer.dataset;
  const [width, height, left, top] = ["width", "height", "left", "top"].map((name) => Number(data[name]));
  const pixelUm = Number(data.pixelUm) || null;
  const panels = viewer.querySelector(".panels");
  const windows = [...viewer.querySelectorAll(".window")];
  const where = viewer.querySelector(".where");
  const style = (name) => parseFloat(viewer.style.getPropertyValue(name)) / 100;
  // the part that shows, in pixels of the pictures: its left and top edge, and its width
  const start = { x: (-style("--x") / style("--w")) * width, y: (-style("--y") / style("--h")) * height, w: width / style("--w") };
  const aspect = height / style("--h") / start.w;
  const widest = Math.min(width, height / aspect);
  const view = { ...start };
  const cross = { x: null, y: null };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

  const lengthText = (um) => (um > 0.999 ? +um.toPrecision(4) + " µm" : +(1000 * um).toPrecision(4) + " nm");
  const say = () => {
    const unit = pixelUm || 1;
    const size = (px) => (pixelUm ? lengthText(px * unit) : Math.round(px) + " px");
    let text = "Width " + size(view.w);
    if (cross.x !== null) {
      const at = [left + cross.x, top + cross.y].map((px) => Math.floor(px));
      text += " · x " + at[0] + ", y " + at[1] + " px of the result";
    }
    where.textContent = text;
  };
  const drawBars = () => {
    const shown = view.w * (pixelUm || 1);
    const target = 0.22 * shown;
    const decade = 10 ** Math.floor(Math.log10(target));
    const far = (v) => Math.abs(Math.log(v / target));
    let length = [1, 2, 5, 10].map((m) => m * decade).reduce((a, b) => (far(b) < far(a) ? b : a));
    if (!pixelUm) length = Math.max(Math.round(length), 1);
    for (const bar of viewer.querySelectorAll(".scale")) {
      const text = pixelUm ? lengthText(length) : length + " px";
      bar.style.width = (100 * length) / shown + "%";
      bar.firstElementChild.textContent = text;
      bar.setAttribute("aria-label", "Scale bar: " + text);
    }
  };
  const show = () => {
    view.w = clamp(view.w, Math.min(12, widest), widest);
    const h = view.w * aspect;
    view.x = clamp(view.x, 0, width - view.w);
    view.y = clamp(view.y, 0, height - h);
    const set = (name, value) => viewer.style.setProperty(name, 100 * value + "%");
    set("--w", width / view.w);
    set("--h", height / h);
    set("--x", -view.x / view.w);
    set("--y", -view.y / h);
    drawBars();
    say();
  };
  const point = (x, y) => {
    cross.x = x === null ? null : clamp(x, 0, width - 0.01);
    cross.y = y === null ? null : clamp(y, 0, height - 0.01);
    viewer.classList.toggle("pointed", x !== null);
    if (x !== null) {
      viewer.style.setProperty("--cx", (100 * cross.x) / width + "%");
      viewer.style.setProperty("--cy", (100 * cross.y) / height + "%");
    }
    say();
  };
  const zoom = (factor, x, y) => {
    const h = view.w * aspect;
    const at = { x: x ?? cross.x ?? view.x + view.w / 2, y: y ?? cross.y ?? view.y + h / 2 };
    const w = clamp(view.w / factor, Math.min(12, widest), widest);
    view.x = at.x - ((at.x - view.x) * w) / view.w;
    view.y = at.y - ((at.y - view.y) * w) / view.w;
    view.w = w;
    show();
  };
  const move = (x, y) => {
    view.x += x * view.w;
    view.y += y * view.w * aspect;
    show();
  };
  const reset = () => {
    Object.assign(view, start);
    point(null, null);
    show();
  };
  const actions = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), all: () => zoom(1e-9), reset };
  for (const button of viewer.querySelectorAll("[data-do]")) {
    button.addEventListener("click", actions[button.dataset.do]);
  }
  const keys = {
    ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
    "+": actions.in, "=": actions.in, "-": actions.out, 0: reset, Home: reset,
  };
  panels.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  const place = (pane, event) => {
    const box = pane.getBoundingClientRect();
    return [view.x + ((event.clientX - box.left) / box.width) * view.w, view.y + ((event.clientY - box.top) / box.height) * view.w * aspect];
  };
  for (const pane of windows) {
    let drag = null;
    pane.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      drag = { x: event.clientX, y: event.clientY };
      pane.setPointerCapture(event.pointerId);
      point(...place(pane, event));
    });
    pane.addEventListener("pointermove", (event) => {
      if (drag) {
        const box = pane.getBoundingClientRect();
        move((drag.x - event.clientX) / box.width, (drag.y - event.clientY) / box.height);
        drag = { x: event.clientX, y: event.clientY };
      }
      point(...place(pane, event));
    });
    for (const end of ["pointerup", "pointercancel"]) pane.addEventListener(end, () => (drag = null));
    pane.addEventListener("pointerleave", () => drag || point(null, null));
    pane.addEventListener("dblclick", (event) => zoom(2, ...place(pane, event)));
    pane.addEventListener("dragstart", (event) => event.preventDefault());
  }

  const pictures = panels.querySelectorAll("img");
  for (const copy of viewer.querySelectorAll("img[data-copy]")) copy.src = pictures[copy.dataset.copy].src;
  for (const part of viewer.querySelectorAll("[hidden]")) part.hidden = false;
  show();
}

// --- two pictures under a slider -----------------------------------------------------------------------

for (const figure of document.querySelectorAll(".slider")) {
  const range = figure.querySelector("input");
  const canvas = figure.querySelector(".canvas");
  const show = () => canvas.style.setProperty("--at", range.value + "%");
  range.addEventListener("input", show);
  const follow = (event) => {
    const box = canvas.getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    show();
  };
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    follow(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) follow(event);
  });
  show();
}

// --- tables that can be sorted -------------------------------------------------------------------------

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!("sort" in cell.dataset)) return cell.textContent.trim();
    return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  heads.forEach((head, column) => {
    if (!head.textContent.trim() || body.querySelector(`td:nth-child(${column + 1}) img`)) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null); // what is missing stays last
        return down ? compare(b, a) : compare(a, b);
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
