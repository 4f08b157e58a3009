"use strict";
for (const figure of document.querySelectorAll(".slider")) {
  const range = figure.querySelector("input");
  const canvas = figure.querySelector(".canvas");
  const show = () => canvas.style.setProperty("--at", range.value + "%");
  range.addEventListener("input", show);
  const follow = (event) => {
    const box = canvas.getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    show();
  };
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    follow(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) follow(event);
  });
  show();
}
