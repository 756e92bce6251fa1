// What is better with JavaScript; everything works without.
(() => {
  const main = document.querySelector("main");

  // The chooser filters as one types.
  const box = document.querySelector("form.search input[type=search]");
  const items = [...document.querySelectorAll(".choices > li")];
  if (box && items.length > 0 && box.value === "") {
    const found = document.getElementById("found");
    const none = document.querySelector(".none");
    const filter = () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const text = item.dataset.text.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        shown += item.hidden ? 0 : 1;
      }
      found.textContent = `${shown} of ${items.length} apps`;
      none.hidden = shown > 0;
      none.querySelector("bdi").textContent = box.value;
    };
    box.addEventListener("input", filter);
    box.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const only = items.filter((item) => !item.hidden);
      if (only.length === 1) {
        only[0].querySelector("a").click();
      }
    });
    box.form.querySelector("button").hidden = true;
    box.focus();
  }

  // A button that was pressed says so, and is not pressed twice.
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "1";
      event.submitter?.setAttribute("aria-busy", "true");
    });
  }
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[method=post]")) {
      delete form.dataset.sent;
      form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
    }
  });

  // What is wrong comes first.
  document.querySelector("[aria-invalid=true]")?.focus();

  // Windows of ours tell each other of results, by ids only: the opener of a pop-up may be another site, and is not used.
  if ("BroadcastChannel" in window) {
    const channel = new BroadcastChannel("connections");
    if (main.dataset.session) {
      channel.postMessage({ session: main.dataset.session, connection: main.dataset.connection, status: main.dataset.status });
    } else if ("listen" in main.dataset) {
      channel.onmessage = () => location.reload();
    }
  }
  if ("popup" in main.dataset) {
    setTimeout(() => window.close(), 600);
  }
})();
