/** Elements of the page. */

/** The element with an id. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as E;
}

/** Makes an element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Fills a menu, and keeps what is chosen if it is still there. */
export function fill(
  menu: HTMLSelectElement,
  options: readonly { readonly value: string; readonly text: string }[],
): void {
  const chosen = menu.value;
  menu.replaceChildren(...options.map(({ value, text }) => make("option", { value }, text)));
  if (options.some(({ value }) => value === chosen)) menu.value = chosen;
}

/** Shows a message, or hides its place. */
export function say(place: HTMLElement, message: string | null): void {
  place.hidden = message === null;
  if (place.textContent !== (message ?? "")) place.textContent = message ?? "";
}

/** Calls a function once before the next frame, however often it is asked to. */
export function eachFrame(draw: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/** Calls a function when it was not asked to for some milliseconds. */
export function whenQuiet(milliseconds: number, run: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
}

/** Calls a function at most so often, in milliseconds; the last call is not lost. */
export function atMost(milliseconds: number, run: () => void): () => void {
  let waiting = false;
  let last = -Infinity;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      last = performance.now();
      run();
    }, Math.max(0, last + milliseconds - performance.now()));
  };
}
