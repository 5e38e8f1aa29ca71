// Renews the panels. Without JavaScript the browser loads the whole page again.
const panels = document.getElementById("panels");
const lost = document.getElementById("lost");

async function renew() {
  if (!document.hidden) {
    try {
      const answer = await fetch(panels.dataset.address, { signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(answer.statusText);
      panels.innerHTML = await answer.text(); // of this program, which escapes what others wrote
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
  }
  setTimeout(renew, 5000);
}
setTimeout(renew, 5000);
