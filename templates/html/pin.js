(function () {
  // Plex warns of a sign-in that was asked for from another address than the browser's. So the browser asks plex.tv
  // itself, and hands the PIN over with the form. The server checks it, and asks by itself where that comes to nothing.
  // Old television browsers run this: no newer syntax than ES5, and no fetch.
  "use strict";
  var button = document.getElementById("continue"), form = button.form, longest = 2000;
  var timer = 0, request = null, asked = false;

  function field(name, value) {
    var input = form.elements[name] || document.createElement("input");
    input.type = "hidden";
    input.name = name;
    input.value = value;
    form.appendChild(input);
  }
  function fill(pin) {
    var whole = pin && typeof pin.id === "number" && typeof pin.code === "string";
    field("pin_id", whole ? String(pin.id) : "");
    field("pin_code", whole ? pin.code : "");
  }
  function stop() {
    clearTimeout(timer);
    var r = request;
    request = null;
    if (r) r.abort();
  }
  function send(pin) {
    stop();
    fill(pin);
    form.submit();
  }
  // Ours is not shown to scripts, and navigator.cookieEnabled is true in a Chrome that keeps none. It gives no storage then.
  function keepsCookies() {
    try { return window.localStorage !== false && navigator.cookieEnabled !== false; } catch (e) { return false; }
  }
  function ask() {
    var r = request = new XMLHttpRequest();
    // No header of our own: for one, the browser would have to ask leave first, and plex.tv has refused that at times.
    r.open("POST", button.getAttribute("data-pins"), true);
    r.setRequestHeader("Accept", "application/json");
    r.onreadystatechange = function () {
      var pin = null;
      if (request !== r || r.readyState !== 4) return;
      try { pin = JSON.parse(r.responseText); } catch (e) { /* blocked, or no PIN */ }
      send(pin);
    };
    timer = setTimeout(send, longest, null);
    r.send();
  }

  button.addEventListener("click", function (e) {
    if (!keepsCookies()) return; // the server says so: a PIN would be for nothing
    if (asked && !request) return; // sent already: the server knows what to do with the same again
    e.preventDefault();
    if (asked) return;
    asked = true;
    button.setAttribute("aria-busy", "true");
    try { ask(); } catch (x) { send(null); }
  });
  form.addEventListener("submit", stop); // by the other button: what is asked for this one must not take its place
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", function (e) {
    if (!e.persisted) return; // back from Plex: from the start, with a new PIN
    asked = false;
    button.removeAttribute("aria-busy");
    fill(null);
  });
}());
