"use strict";
// Draws the plots, gives them the theme's colours, and lets legends hide and show nets.
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const darker = JSON.parse(document.getElementById("dark-colours").textContent);
  const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };
  const plots = new Map();

  const dark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const themed = (colour) => (dark() && darker[colour]) || colour;

  // Copies a plot's data with each colour of a net replaced by the theme's.
  function coloured(value) {
    if (typeof value === "string") return themed(value);
    if (Array.isArray(value)) return value.map(coloured);
    if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
    }
    return value;
  }

  function layoutOf(spec, node) {
    const layout = structuredClone(spec.layout);
    // A plot follows its box by itself, but not in time for the printer.
    if (root.classList.contains("printing")) layout.width = node.clientWidth;
    layout.font.color = css("--text");
    layout.hoverlabel = { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--text") } };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      Object.assign(layout[name], { gridcolor: css("--grid"), zerolinecolor: css("--line"), linecolor: css("--line") });
    }
    return layout;
  }

  function dataOf(spec) {
    return coloured(spec.data).map((trace) => {
      if (trace.textfont) trace.textfont.color = css("--text");
      return { ...trace, visible: !spec.hidden.has(trace.legendgroup) };
    });
  }

  function draw(node, spec) {
    return Plotly.react(node, dataOf(spec), layoutOf(spec, node), config);
  }

  function paint() {
    button.setAttribute("aria-pressed", String(dark()));
    document.querySelectorAll(".swatch").forEach((swatch) => {
      swatch.style.stroke = themed(swatch.dataset.colour);
    });
    plots.forEach((spec, node) => draw(node, spec));
  }

  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    paint();
  });
  system.addEventListener("change", paint);

  document.querySelectorAll(".legend button").forEach((entry) => {
    entry.addEventListener("click", () => {
      const shown = entry.getAttribute("aria-pressed") !== "true";
      entry.setAttribute("aria-pressed", String(shown));
      entry.closest(".group").querySelectorAll(".plot").forEach((node) => {
        const spec = plots.get(node);
        spec.hidden[shown ? "delete" : "add"](entry.dataset.group);
        draw(node, spec);
      });
    });
  });

  // Paper is light, and shows what is folded away on screen.
  let before;
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    before = { theme: root.dataset.theme, closed: [...document.querySelectorAll("details:not([open])")] };
    root.dataset.theme = "light";
    before.closed.forEach((details) => { details.open = true; });
    paint();
  });
  addEventListener("afterprint", () => {
    if (before.theme) root.dataset.theme = before.theme;
    else delete root.dataset.theme;
    before.closed.forEach((details) => { details.open = false; });
    root.classList.remove("printing");
    paint();
  });

  const drawn = [...document.querySelectorAll("script[data-plot]")].map((source) => {
    const node = document.getElementById(source.dataset.plot);
    plots.set(node, { ...JSON.parse(source.textContent), hidden: new Set() });
    return node;
  });
  paint();
  Promise.resolve().then(() => { root.dataset.drawn = String(drawn.length); });
})();
