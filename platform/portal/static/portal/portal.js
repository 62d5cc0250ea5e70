// What the shell adds in the browser: copying an id, a text size that the device remembers, the side bar on laptops.
(() => {
  const SIZES = ["100%", "112.5%", "125%"];
  const KEY = "medisettle.text-size";

  function sizeSet(index) {
    document.documentElement.style.fontSize = SIZES[index];
    localStorage.setItem(KEY, String(index));
  }

  const remembered = Number(localStorage.getItem(KEY) || 0);
  if (remembered > 0 && remembered < SIZES.length) sizeSet(remembered);

  // Unfold opens its side bar above 1280 px only, which is the width of many laptops.
  const SIDEBAR_FROM_PX = 1024;

  function sidebarWanted() {
    return window.innerWidth >= SIDEBAR_FROM_PX && localStorage.getItem("sidebarOpen") !== "0";
  }

  document.addEventListener("alpine:init", () => {
    const shellTheme = window.theme;
    window.theme = (...given) => {
      const data = shellTheme(...given);
      data.sidebarOpen = sidebarWanted();
      data.sidebarToggle = function () {
        this.sidebarOpen = !this.sidebarOpen;
        if (window.innerWidth >= SIDEBAR_FROM_PX) localStorage.setItem("sidebarOpen", this.sidebarOpen ? "1" : "0");
      };
      data.themeBindings["x-resize.window"] = function () { this.sidebarOpen = sidebarWanted(); };
      return data;
    };
  });

  async function copy(text) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    // Plain http inside a hospital's network has no clipboard interface.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  // An act's page is shown as a dialog over the page that it was opened from; without scripts it is a page of its own.
  async function dialogOpen(link) {
    const answer = await fetch(link.href, { headers: { "X-Requested-With": "dialog" } });
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#ms-act");
    if (!answer.ok || !part) {
      location.assign(link.href);
      return;
    }
    const dialog = document.createElement("dialog");
    dialog.className = "ms-dialog";
    dialog.setAttribute("aria-labelledby", "ms-act-title");
    dialog.append(document.importNode(part, true));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector("input:not([type=hidden]), select, textarea")?.focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      dialogOpen(link);
    }
    const close = event.target.closest("dialog [data-close]");
    if (close) {
      event.preventDefault();
      close.closest("dialog").close();
    }
    if (event.target.closest("[data-print]")) window.print();
    // A row's own button sends this row only, whatever else is ticked.
    const only = event.target.closest("[data-only]");
    if (only) for (const box of only.form.querySelectorAll("[name=his_no]:checked")) box.checked = false;
  });

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-tick-all]")) return;
    for (const box of event.target.form.querySelectorAll("[type=checkbox][name=his_no]:not(:disabled)")) {
      box.checked = event.target.checked;
    }
  });

  // One form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-text-size]");
    if (!button) return;
    event.preventDefault();
    if (button.hasAttribute("data-text-size")) {
      sizeSet((Number(localStorage.getItem(KEY) || 0) + 1) % SIZES.length);
      return;
    }
    await copy(button.dataset.copy);
    const icon = button.querySelector(".material-symbols-outlined");
    icon.textContent = "check";
    button.title = button.dataset.copied;
    setTimeout(() => { icon.textContent = "content_copy"; }, 1500);
  });
})();
