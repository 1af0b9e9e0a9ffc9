// The server draws light or dark by a cookie; on a first visit the system's wish is put there.
(() => {
  const set = name => { document.cookie = `astermind_theme=${name};path=/;max-age=31536000;samesite=lax`; };
  const found = /(?:^|; )astermind_theme=(\w+)/.exec(document.cookie);
  const drawn = document.querySelector('meta[name="color-scheme"]').content;
  const wanted = found ? found[1] : matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  set(wanted);
  if (wanted !== drawn && document.cookie.includes(`astermind_theme=${wanted}`)) location.reload();
  window.astermindTheme = name => { set(name); location.reload(); };
})();
