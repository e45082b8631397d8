(function () {
  // ES5, for old television browsers. How often this happens is bounded by the addresses that the server gives.
  "use strict";
  var place = document.getElementById("try"), to = place.getAttribute("data-url"), due = new Date().getTime() + 1000 * place.getAttribute("data-seconds");
  var timer = setTimeout(go, due - new Date().getTime());

  function go() {
    clearTimeout(timer);
    if (document.hidden) return; // nobody looks: plex.tv is left alone until somebody does
    var wait = due - new Date().getTime();
    if (wait > 0) timer = setTimeout(go, wait);
    else if (/^https?:\/\/[^\/]/i.test(to)) location.replace(to);
  }
  document.addEventListener("visibilitychange", go);
}());
