"use strict";
// All that the app says stands in the fragment: #?… or, in the older form, #!?…
const params = new URLSearchParams(location.hash.replace(/^#!?\??/, ""));
const clientID = params.get("clientID") ?? "";
const code = params.get("code") ?? "";
const forwardUrl = params.get("forwardUrl") ?? "";

const choice = document.getElementById("choice");
const outcome = document.getElementById("outcome");

function say(text) {
  outcome.textContent = text;
}

function end(text) {
  choice.hidden = true;
  say(text);
}

function leave() {
  if (forwardUrl === "") {
    end("You are signed in. You may close this window.");
  } else if (/^https?:\/\//i.test(forwardUrl)) {
    end("You are signed in. Taking you back …");
    location.assign(forwardUrl);
  } else {
    end("You are signed in, but the app gave no address to go back to that a browser may open.");
  }
}

async function approve(person) {
  say("");
  for (const b of document.querySelectorAll("button")) b.disabled = true;
  try {
    const answer = await fetch("/auth/approve", {
      method: "POST",
      body: new URLSearchParams({ clientID, code, person }),
    });
    if (answer.ok) {
      leave();
    } else {
      end("This sign-in is over, or it was never begun. Go back to the app and start again.");
    }
  } catch {
    say("The stand-in does not answer. Is it still running?");
    for (const b of document.querySelectorAll("button")) b.disabled = false;
  }
}

// warn tells people of a sign-in that was not asked for at their own address.
async function warn() {
  const answer = await fetch("/auth/info?code=" + encodeURIComponent(code), { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const pin = await answer.json();
  document.getElementById("from").textContent = pin.from;
  document.getElementById("alert").hidden = pin.ipMatches;
}

// Another sign-in in this tab may change nothing but the fragment.
addEventListener("hashchange", () => location.reload());

const product = params.get("context[device][product]");
if (product) {
  document.getElementById("product").textContent = product;
  document.title = "Sign in to " + product + " (stand-in)";
}
if (clientID === "" || code === "") {
  end("This address lacks what an app adds to it. Start from the app.");
} else {
  warn().finally(() => { choice.hidden = false; });
  for (const b of choice.querySelectorAll("[data-person]")) {
    b.addEventListener("click", () => approve(b.dataset.person));
  }
  document.getElementById("refuse").addEventListener("click", () => {
    end("You refused. Nothing was approved; the app is still waiting. You may close this window.");
  });
}
