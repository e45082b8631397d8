(function () {
  // Old television browsers run this: no newer syntax than ES5, and no fetch.
  "use strict";
  var place = document.getElementById("waiting"), line = document.getElementById("status");
  // A PIN that was approved lives for about ten seconds more: never wait for longer than a part of that.
  var step = 2000, slowest = 5000, asks = 1050; // more than the 30 minutes that a PIN at Plex lives for
  var left = document.getElementById("left"), over = left && now() + 1000 * left.getAttribute("data-seconds");
  var timer = 0, request = null, misses = 0, done = false;

  // A television may learn the time while this runs: what has passed is not read from its clock where that can be.
  function now() { return window.performance && performance.now ? performance.now() : new Date().getTime(); }
  function say(name, who) {
    var text = line.getAttribute("data-" + name);
    // Isolated, for a name may be written from the other side.
    if (text && who) text = text.replace("{name}", function () { return "\u2068" + who + "\u2069"; });
    if (text && line.textContent !== text) line.textContent = text;
  }
  function end(name) {
    done = true;
    place.className += " ended";
    say(name);
  }
  function move(to, name, who) {
    if (typeof to !== "string" || !/^https?:\/\/[^\/]/i.test(to)) return end("ended");
    done = true;
    say(name, who);
    location.replace(to);
  }
  function later() {
    clearTimeout(timer);
    if (!done) timer = setTimeout(ask, Math.min(step * Math.pow(2, misses), slowest));
  }
  function miss() {
    if (++misses > 1) say("unavailable");
    later();
  }
  function answer(said) {
    if (said.state === "ok" || said.state === "denied") return move(said.next, said.name ? "as" : "ok", said.name);
    if (said.state === "expired") return move(said.next, "ended");
    if (said.state !== "pending") return miss();
    misses = 0;
    say("pending");
    later();
  }
  function ask() {
    if (done || request || document.hidden) return;
    if (--asks < 0) return end("ended");
    var r = request = new XMLHttpRequest(), said = null;
    r.open("GET", place.getAttribute("data-poll-url"), true);
    r.timeout = 15000;
    r.setRequestHeader("Accept", "application/json");
    r.onloadend = function () {
      if (request !== r) return;
      request = null;
      try { said = JSON.parse(r.responseText); } catch (e) { /* not ours: a miss */ }
      if (said) answer(said); else miss();
    };
    r.send();
  }
  function pause() {
    clearTimeout(timer);
    var r = request;
    request = null;
    if (r) r.abort();
  }

  function count() {
    var rest = Math.max(0, Math.ceil((over - now()) / 1000)), seconds = rest % 60;
    left.textContent = left.getAttribute("data-left").replace("{time}", Math.floor(rest / 60) + (seconds < 10 ? ":0" : ":") + seconds);
    if (rest && !done) setTimeout(count, 1000);
  }

  if (left) count();
  line.setAttribute("data-pending", line.textContent);
  document.addEventListener("visibilitychange", function () { if (document.hidden) pause(); else ask(); });
  window.addEventListener("pagehide", pause);
  window.addEventListener("pageshow", function (e) { if (e.persisted) { done = false; ask(); } });
  timer = setTimeout(ask, step);
}());
