(function () {
  // A television's remote control has arrows and OK: up and down go from control to control, OK ticks a box.
  // Old television browsers run this: no newer syntax than ES5.
  "use strict";
  var page = document.documentElement;
  // What is out of sight is for the page to scroll to, as it does without us.
  function inSight(e) {
    var box = e.getBoundingClientRect();
    return box.top < page.clientHeight && box.bottom > 0;
  }
  function next(step, at) {
    var all = document.querySelectorAll("a[href], button, input, select, textarea, summary"), list = [], i, y = window.pageYOffset;
    for (i = 0; i < all.length; i++) if (all[i].offsetHeight) list.push(all[i]);
    i = list.indexOf(at);
    if (i >= 0) return list[i + step];
    // Nothing has the focus: whoever reads with the arrows scrolls to the end first.
    if (step > 0 ? y + page.clientHeight < page.scrollHeight - 1 : y > 0) return;
    list = list.filter(inSight);
    return list[step > 0 ? 0 : list.length - 1];
  }
  document.addEventListener("keydown", function (e) {
    var key = e.keyCode, at = document.activeElement || page, to;
    if (e.defaultPrevented || e.altKey || e.ctrlKey || e.metaKey || e.shiftKey) return;
    if (key === 13 && at.type === "checkbox") {
      e.preventDefault();
      at.click();
    }
    // The arrows mean something to these themselves.
    if (key !== 38 && key !== 40 || /^(select|textarea|radio|number)/.test(at.type)) return;
    to = next(key - 39, at);
    if (!to || !inSight(to)) return;
    e.preventDefault();
    to.focus();
  });
  // Some older browsers submit the form here, whatever became of the keydown.
  document.addEventListener("keypress", function (e) {
    if (e.keyCode === 13 && e.target.type === "checkbox") e.preventDefault();
  });
}());
