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
