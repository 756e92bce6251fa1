// Asks twice a second whether the outcome is known, and then shows it. Without this script the page reloads itself.
(() => {
  const target = document.querySelector("main").dataset.poll;
  const ask = async () => {
    try {
      const answer = await fetch(target, { credentials: "same-origin", cache: "no-store" });
      if (answer.status === 404 || (answer.ok && (await answer.json()).state !== "waiting")) {
        location.reload();
        return;
      }
    } catch {
      // The network may be back at the next try.
    }
    setTimeout(ask, 400);
  };
  ask();
})();
