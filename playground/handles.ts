/** The boxes that can be dragged: elements over the image, which have the focus and the keys. */
import { type Box, dragged } from "./boxes.ts";
import { make } from "./dom.ts";

/** A box that can be dragged. */
export interface Handle {
  readonly kind: "truth" | "default" | "prediction";
  readonly index: number;
  readonly box: Box;
  readonly colour: string;
  /** The text beside it. */
  readonly label: string;
  /** Its name for those who do not see it. */
  readonly title: string;
  readonly selected: boolean;
}

/** The events of handles. */
export interface HandleEvents {
  moved(handle: Handle, box: Box): void;
  selected(handle: Handle): void;
  removed(handle: Handle): void;
  /** Moves on to another default box, by this many. */
  next(by: number): void;
}

/** Steps of the keys. */
const STEP = 0.01;
const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
};

/** Keeps the elements of handles; an element stays while its box does, so that a drag and the focus go on. */
export class Handles {
  readonly #elements = new Map<string, { readonly element: HTMLElement; handle: Handle }>();

  constructor(readonly place: HTMLElement, readonly events: HandleEvents) {}

  show(handles: readonly Handle[]): void {
    const keys = new Set(handles.map(keyOf));
    for (const [key, { element }] of this.#elements) {
      if (keys.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
    for (const handle of handles) this.#show(handle);
  }

  focus(kind: Handle["kind"], index: number): void {
    this.#elements.get(`${kind} ${index}`)?.element.focus();
  }

  #show(handle: Handle): void {
    const key = keyOf(handle);
    let known = this.#elements.get(key);
    if (!known) {
      known = { element: this.#make(key, handle), handle };
      this.#elements.set(key, known);
    }
    known.handle = handle;
    const { element } = known;
    const [cx, cy, w, h] = handle.box;
    const percent = (x: number) => `${100 * x}%`;
    Object.assign(element.style, {
      left: percent(cx - w / 2),
      top: percent(cy - h / 2),
      width: percent(w),
      height: percent(h),
    });
    element.style.setProperty("--colour", handle.colour);
    element.setAttribute("aria-current", String(handle.selected));
    element.setAttribute("aria-label", handle.title);
    element.classList.toggle("low", cy - h / 2 < 0.05);
    element.firstElementChild!.textContent = handle.label;
  }

  #make(key: string, { kind }: Handle): HTMLElement {
    // The corner takes what resizes; the rest of the box moves it.
    const element = make("div", { class: `handle ${kind}`, tabindex: "0", role: "button" }, make("b"), make("i"));
    const current = () => this.#elements.get(key)?.handle;
    element.addEventListener("focus", () => {
      const handle = current();
      if (handle && !handle.selected) this.events.selected(handle);
    });
    element.addEventListener("keydown", (event) => this.#key(event, current()));
    element.addEventListener("pointerdown", (event) => this.#drag(event, element, current));
    this.place.append(element);
    return element;
  }

  #key(event: KeyboardEvent, handle: Handle | undefined): void {
    if (!handle || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = ARROWS[event.key];
    if (step) this.events.moved(handle, dragged(handle.box, step, event.shiftKey));
    else if (event.key === "Delete" || event.key === "Backspace") this.events.removed(handle);
    else if (event.key === "[" || event.key === "]") this.events.next(event.key === "]" ? 1 : -1);
    else return;
    event.preventDefault();
  }

  #drag(event: PointerEvent, element: HTMLElement, current: () => Handle | undefined): void {
    if (event.button !== 0) return;
    const corner = (event.target as Element).tagName === "I";
    const from = current()?.box;
    if (!from) return;
    event.preventDefault();
    element.focus();
    element.setPointerCapture(event.pointerId);
    const { width, height } = this.place.getBoundingClientRect();
    const move = (to: PointerEvent) => {
      const by = [(to.clientX - event.clientX) / width, (to.clientY - event.clientY) / height] as const;
      const handle = current();
      if (handle) this.events.moved(handle, dragged(from, by, corner));
    };
    const end = () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", end);
      element.removeEventListener("pointercancel", end);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
  }
}

const keyOf = ({ kind, index }: Handle): string => `${kind} ${index}`;
