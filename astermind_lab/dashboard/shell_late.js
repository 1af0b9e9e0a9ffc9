(() => {
  const drawn = document.querySelector('meta[name="color-scheme"]').content;
  document.getElementById("theme").onclick = () => window.astermindTheme(drawn === "dark" ? "light" : "dark");
  // Other pages look at the same model, version and window.
  for (const link of document.querySelectorAll("a[data-keep]")) {
    const keep = () => { link.href = link.href.split("?")[0] + location.search; };
    for (const event of ["mouseenter", "focus", "mousedown"]) link.addEventListener(event, keep);
  }
  // A server that went away and came back has forgotten this session: load the page again.
  const lost = document.getElementById("lost");
  const back = async () => {
    try {
      if ((await fetch(location.href, { cache: "no-store" })).ok) return location.reload();
    } catch (away) { /* still away */ }
    setTimeout(back, 1000);
  };
  window.astermindLost = () => { if (lost.hidden) { lost.hidden = false; back(); } };
  window.astermindHere = () => { document.documentElement.dataset.live = "yes"; };
  setTimeout(() => {
    if (document.documentElement.dataset.live) return;
    // Pages come, and no connection: load again, but do not go round in circles.
    const before = Number(sessionStorage.getItem("astermind_again") ?? 0);
    sessionStorage.setItem("astermind_again", String(Date.now()));
    if (Date.now() - before > 60000) window.astermindLost(); else lost.hidden = false;
  }, 15000);
})();
