// The bench's pictures: one large, all small below; larger, smaller, turned. J and K go through them.
(() => {
  const ZOOMS = [0.5, 0.75, 1, 1.5, 2, 3];

  document.addEventListener("DOMContentLoaded", () => {
    const bench = document.querySelector("[data-bench]");
    const picture = bench?.querySelector("[data-picture]");
    const pages = bench ? [...bench.querySelectorAll("[data-page]")] : [];
    if (!picture || !pages.length) return;
    let at = 0;
    let zoom = 2;
    let turned = 0;

    function look() {
      const view = bench.querySelector("[data-view]");
      picture.style.width = `${view.clientWidth * ZOOMS[zoom] - 16}px`;
      picture.style.transform = `rotate(${turned}deg)`;
    }

    function open(index) {
      at = (index + pages.length) % pages.length;
      [zoom, turned] = [2, 0];
      picture.src = pages[at].dataset.page;
      picture.alt = pages[at].getAttribute("aria-label");
      for (const [number, page] of pages.entries()) page.setAttribute("aria-pressed", String(number === at));
      look();
    }

    for (const [number, page] of pages.entries()) page.addEventListener("click", () => open(number));
    for (const button of bench.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => {
        zoom = Math.min(ZOOMS.length - 1, Math.max(0, zoom + Number(button.dataset.zoom)));
        look();
      });
    }
    bench.querySelector("[data-turn]").addEventListener("click", () => { turned = (turned + 90) % 360; look(); });
    window.addEventListener("resize", look);
    document.addEventListener("keydown", (event) => {
      if (event.target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey) return;
      if (event.key === "j") open(at + 1);
      if (event.key === "k") open(at - 1);
    });
    open(0);
  });
})();
