/** The page: menus, buttons and the picture, around the model. */
import type { Box } from "./boxes.ts";
import { DEVICES } from "./devices.ts";
import { atMost, byId, eachFrame, fill, make } from "./dom.ts";
import { makeEditor } from "./editor.ts";
import type { Parameter } from "./engine/protocol.ts";
import { type Handle, Handles } from "./handles.ts";
import { InsidesView } from "./insides.ts";
import { LOSSES } from "./losses.ts";
import { Model } from "./model.ts";
import { short, showAlong, showComponents, showDescent, showFailure, showVerdict } from "./panels.ts";
import { type SceneName, SCENES } from "./scenes.ts";
import { draw, LAYERS } from "./stage.ts";
import { hashOf, stateOf } from "./state.ts";

const SVG = "http://www.w3.org/2000/svg";
let image: CanvasImageSource | null = null;
let running = false;
let saving: ReturnType<typeof setTimeout> | undefined;
let stopping: ReturnType<typeof setTimeout> | undefined;

/** The picture follows a drag in each frame, what is written beside it more slowly. */
const show = eachFrame(() => {
  showPicture();
  showPanels();
});
const showPanels = atMost(80, () => {
  showFailure(model);
  showComponents(model);
  showVerdict(model);
  showAlong(model);
  showDescent(model);
  editor.mark(model.failure);
  const { evaluation, busy } = model;
  byId("status").textContent = evaluation
    ? `${evaluation.device}, ${short(evaluation.milliseconds)} ms${evaluation.compiled ? ", compiling included" : ""}`
    : busy
    ? "starting …"
    : "";
  document.documentElement.toggleAttribute("data-busy", busy);
  document.documentElement.toggleAttribute("data-failed", model.failure !== null);
  insides.changed();
});
const saveAddress = () => {
  const hash = hashOf(model.state);
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
};
const model = new Model(stateOf(location.hash), () => {
  show();
  saveSoon();
  stopSoon();
});
const editor = makeEditor(byId("editor"), model.state.text, (text) => model.set({ text }));
const insides = new InsidesView(model);
const handles = new Handles(byId("handles"), {
  moved: ({ kind, index }, box) => {
    if (kind === "truth") model.moveTruth(index, box);
    else if (kind === "default") model.moveDefault(index, box);
    else model.movePrediction(index, box);
  },
  selected: ({ kind, index }) => select(kind === "truth" ? "truths" : "locations", index),
  removed: ({ kind, index }) => {
    if (kind !== "truth") return;
    const truths = model.state.truths.filter((_, i) => i !== index);
    model.set({ truths, parameter: { of: "truths", index: 0, row: model.state.parameter.row } });
  },
  next: (by) => {
    const { length } = model.boxes;
    const { kind, index } = model.selected;
    const next = kind === "default" ? (index + by + length) % length : 0;
    select("locations", next);
    requestAnimationFrame(() => requestAnimationFrame(() => handles.focus("default", next)));
  },
});

/** Browsers allow few changes of the address in a second. */
function saveSoon(): void {
  clearTimeout(saving);
  saving = setTimeout(saveAddress, 400);
}

/** Offers to stop what takes long. */
function stopSoon(): void {
  if (!model.busy) {
    clearTimeout(stopping);
    stopping = undefined;
    byId("stop").hidden = true;
  } else stopping ??= setTimeout(() => (byId("stop").hidden = false), 3000);
}

function select(of: Parameter["of"], index: number): void {
  const { parameter } = model.state;
  const same = (parameter.of === "truths") === (of === "truths");
  model.set({ parameter: same ? { ...parameter, index } : { of, index, row: 0 } });
}

/** The picture, and the boxes that can be dragged. */
function showPicture(): void {
  const canvas = byId<HTMLCanvasElement>("picture");
  const { scene, shown } = model.state;
  const { aspect } = SCENES[scene];
  const width = Math.round(byId("stage").clientWidth * Math.min(devicePixelRatio, 2));
  const height = Math.round(width / aspect);
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  if (image && width > 0) draw(canvas, { image, boxes: model.boxes, evaluation: model.evaluation, shown });
  handles.show(handlesOf());
}

function handlesOf(): Handle[] {
  const { state: { truths }, boxes, selected, classes, evaluation } = model;
  const isSelected = (kind: string, index: number) => selected.kind === kind && selected.index === index;
  const where = ([cx, cy, w, h]: Box) =>
    `centre ${short(100 * cx)} %, ${short(100 * cy)} %, size ${short(100 * w)} % by ${short(100 * h)} %`;
  const all = truths.map(({ label, box }, index): Handle => ({
    kind: "truth",
    index,
    box,
    colour: "var(--truth)",
    label: `${index + 1} ${classes[label]}`,
    title: `Truth ${index + 1}, ${classes[label]}: ${where(box)}`,
    selected: isSelected("truth", index),
  }));
  if (selected.kind !== "default" || !boxes[selected.index]) return all;
  const { index } = selected;
  const box = boxes[index];
  const common = { index, selected: true } as const;
  all.push({
    ...common,
    kind: "default",
    box,
    colour: "var(--matched)",
    label: `default box ${index}`,
    title: `Default box ${index}: ${where(box)}`,
  });
  if (!evaluation) return all;
  const count = boxes.length;
  const decoded = [0, 1, 2, 3].map((row) => evaluation.decoded[row * count + index]) as unknown as Box;
  all.push({
    ...common,
    kind: "prediction",
    box: decoded,
    colour: "var(--predicted)",
    label: "predicted",
    title: `Prediction of default box ${index}: ${where(decoded)}`,
  });
  return all;
}

/** Selects the default box whose centre is nearest to a place; again there, the next of those. */
function selectAt(x: number, y: number): void {
  const { boxes, selected } = model;
  const distance = ([cx, cy]: Box) => Math.hypot(cx - x, cy - y);
  const order = boxes.map((_, i) => i).sort((a, b) => distance(boxes[a]) - distance(boxes[b]));
  const nearest = order.filter((i) => distance(boxes[i]) - distance(boxes[order[0]]) < 1e-9);
  const at = selected.kind === "default" ? nearest.indexOf(selected.index) : -1;
  select("locations", nearest[(at + 1) % nearest.length]);
}

async function loadImage(): Promise<void> {
  const { scene } = model.state;
  byId("credit").textContent = SCENES[scene].credit;
  const loaded = await SCENES[scene].image();
  if (scene !== model.state.scene) return;
  image = loaded;
  show();
}

async function run(): Promise<void> {
  while (running && !model.failure) {
    await model.descend(1);
    await new Promise((done) => setTimeout(done, 40));
  }
  setRunning(false);
}

function setRunning(value: boolean): void {
  running = value;
  byId("run").setAttribute("aria-pressed", String(value));
  byId("run").textContent = value ? "Pause" : "Run";
}

function on(id: string, event: string, listener: (event: Event) => void): void {
  byId(id).addEventListener(event, listener);
}

function connectMenus(): void {
  fill(byId<HTMLSelectElement>("device"), DEVICES.map(({ name, text }) => ({ value: name, text })));
  byId<HTMLSelectElement>("device").value = model.state.device;
  on("device", "change", () => model.set({ device: byId<HTMLSelectElement>("device").value }));
  fill(
    byId<HTMLSelectElement>("scene"),
    Object.entries(SCENES).map(([value, { name }]) => ({ value, text: name })),
  );
  byId<HTMLSelectElement>("scene").value = model.state.scene;
  on("scene", "change", () => {
    model.startAgain(byId<HTMLSelectElement>("scene").value as SceneName);
    void loadImage();
  });
  const losses = byId<HTMLSelectElement>("losses");
  fill(losses, [{ value: "", text: "Examples …" }, ...LOSSES.map(({ name }) => ({ value: name, text: name }))]);
  on("losses", "change", () => {
    const chosen = LOSSES.find(({ name }) => name === losses.value);
    if (chosen) editor.replace(chosen.text);
    losses.value = "";
  });
  on("parameter", "change", () => {
    const [of, index, row] = byId<HTMLSelectElement>("parameter").value.split(",");
    model.set({ parameter: { of: of as Parameter["of"], index: Number(index), row: Number(row) } });
  });
  on("value", "input", () => model.slide(Number(byId<HTMLInputElement>("value").value)));
}

function connectButtons(): void {
  on("add", "click", () => {
    const { truths } = model.state;
    model.set({
      truths: [...truths, { label: truths.length % model.classes.length, box: [0.5, 0.5, 0.2, 0.25] }],
      parameter: { of: "truths", index: truths.length, row: 0 },
    });
    requestAnimationFrame(() => requestAnimationFrame(() => handles.focus("truth", truths.length)));
  });
  on("start-again", "click", () => model.startAgain());
  on("step", "click", () => void model.descend(1));
  on("run", "click", () => {
    setRunning(!running);
    if (running) void run();
  });
  on("reset", "click", () => {
    setRunning(false);
    model.reset();
  });
  const rate = byId<HTMLInputElement>("rate");
  rate.value = String(model.state.rate);
  on("rate", "change", () => {
    if (Number(rate.value) > 0) model.keep({ rate: Number(rate.value) });
  });
  on("shuffle", "click", () => model.set({ seed: model.state.seed + 1, edits: new Map() }));
  on("stop", "click", () => model.stop());
  on("share", "click", async () => {
    saveAddress();
    // Pages without https have no clipboard, and some browsers refuse it.
    const copied = await Promise.resolve(navigator.clipboard?.writeText(location.href).then(() => true)).catch(() =>
      false
    );
    byId("share").textContent = copied ? "Copied" : "The link is in the address bar";
    setTimeout(() => (byId("share").textContent = "Copy link"), copied ? 1500 : 5000);
  });
  byId("picture").addEventListener("click", (event) => {
    const { left, top, width, height } = byId("picture").getBoundingClientRect();
    selectAt((event.clientX - left) / width, (event.clientY - top) / height);
  });
}

function connectLayers(): void {
  for (const { name, text, colour, dashes } of LAYERS) {
    const box = make("input", { type: "checkbox", id: `show-${name}` });
    box.checked = model.state.shown.has(name);
    box.addEventListener("change", () => {
      const shown = new Set(model.state.shown);
      if (box.checked) shown.add(name);
      else shown.delete(name);
      model.keep({ shown });
    });
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 22 14");
    svg.innerHTML = name === "heat"
      ? `<circle cx="11" cy="7" r="6" fill="${colour}"/>`
      : name === "arrows"
      ? `<path d="M3 7h14m-5-4 5 4-5 4" fill="none" stroke="${colour}" stroke-width="2"/>`
      : `<rect x="3" y="2.5" width="16" height="9" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dashes}"/>`;
    byId("layers").append(make("label", {}, box, svg, text));
  }
}

/** Dark as the documents are, or as the system is. */
function followScheme(): void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem("vitepress-theme-appearance");
    const dark = chosen === "dark" || (chosen !== "light" && system.matches);
    document.documentElement.classList.toggle("dark", dark);
  };
  system.addEventListener("change", apply);
  apply();
}

followScheme();
connectMenus();
connectButtons();
connectLayers();
new ResizeObserver(show).observe(byId("stage"));
addEventListener("hashchange", () => location.reload());
void loadImage();
model.compute();
