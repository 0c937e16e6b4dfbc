// Drags over an image: what lies between the two ends is chosen, as shares of its width.

import { svg } from "./dom.js";

const LEAST = 0.01;

export function brush(image, { width, height }, onchoice) {
  const chosen = svg("rect", { class: "brush", y: 0, height, width: 0 });
  image.append(chosen);
  let start = null;
  const at = (event) => {
    const box = image.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const draw = (from, to) => {
    chosen.setAttribute("x", Math.min(from, to) * width);
    chosen.setAttribute("width", Math.abs(to - from) * width);
  };
  image.addEventListener("pointerdown", (event) => {
    start = at(event);
    image.setPointerCapture(event.pointerId);
  });
  image.addEventListener("pointermove", (event) => start !== null && draw(start, at(event)));
  image.addEventListener("pointercancel", () => {
    start = null;
    draw(0, 0);
  });
  image.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [left, right] = [start, at(event)].sort((one, other) => one - other);
    start = null;
    draw(0, 0);
    if (right - left >= LEAST) onchoice(left, right);
  });
}
