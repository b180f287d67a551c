/** The view of tape, plan and kernels. */
import { byId, fill, make } from "./dom.ts";
import { OrderError } from "./engine/client.ts";
import type { Insides, KernelText } from "./engine/protocol.ts";
import type { Model } from "./model.ts";
import { short } from "./panels.ts";

const VIEWS = [
  { value: "kernels", text: "kernels" },
  { value: "tape", text: "tape" },
  { value: "plan", text: "plan" },
];

/** Shows the insides of the loss while the view is open. */
export class InsidesView {
  #shown: Insides | null = null;
  #chosen = 0;
  /** The subject of the text, and the problem for which it was requested. */
  #asked: unknown = null;

  constructor(readonly model: Model) {
    fill(byId<HTMLSelectElement>("view"), VIEWS);
    byId("view").addEventListener("change", () => this.#show());
    byId("insides").addEventListener("toggle", () => this.changed());
    byId("time").addEventListener("click", () => void this.#ask(true));
  }

  get #open(): boolean {
    return byId<HTMLDetailsElement>("insides").open;
  }

  /** The loss may be another one. */
  changed(): void {
    const { state: { text, device, scene, truths }, evaluation } = this.model;
    const about = JSON.stringify([text, device, scene, truths.length]);
    if (!this.#open || !evaluation || this.#asked === about) return;
    this.#asked = about;
    void this.#ask(false);
  }

  async #ask(time: boolean): Promise<void> {
    const status = byId("insides-status");
    const { problem, state: { device } } = this.model;
    status.textContent = time ? "timing each kernel …" : "planning …";
    try {
      const insides = await this.model.live.ask({ kind: "inspect", device, problem, time });
      if (!insides) return;
      this.#shown = insides;
      this.#chosen = Math.min(this.#chosen, insides.kernels.length - 1);
      const { kernels, milliseconds } = insides;
      status.textContent = `${kernels.length} kernels on ${insides.device}` +
        (milliseconds === null ? "" : `, ${short(milliseconds)} ms a call with copies in and out`);
      this.#show();
    } catch (error) {
      status.textContent = error instanceof OrderError ? error.message : String(error);
    }
  }

  #show(): void {
    if (!this.#shown) return;
    const view = byId<HTMLSelectElement>("view").value;
    const { kernels, tape, plan } = this.#shown;
    const table = byId("kernels");
    table.hidden = view !== "kernels";
    const text = byId("insides-text");
    if (view !== "kernels") return void (text.textContent = view === "tape" ? tape : plan);
    table.replaceChildren(this.#table(kernels));
    const kernel = kernels[this.#chosen];
    text.textContent = kernel ? `${kernel.loops}\n\n${kernel.source}` : "";
  }

  #table(kernels: readonly KernelText[]): HTMLTableElement {
    const timed = kernels.some(({ milliseconds, reason }) => milliseconds !== null || reason !== null);
    const most = Math.max(...kernels.map(({ milliseconds }) => milliseconds ?? 0));
    const titles = ["kernel", "shape", "reads", ...(timed ? ["ms", ""] : [])];
    const rows = kernels.map(({ name, shape, reads, milliseconds, reason }, i) => {
      const open = make("button", { type: "button" }, `${i} ${name}`);
      open.addEventListener("click", () => {
        this.#chosen = i;
        this.#show();
        byId("kernels").querySelectorAll("button")[i]?.focus();
      });
      const time = make(
        "td",
        { class: "number", title: reason ?? "" },
        milliseconds === null ? "–" : short(milliseconds),
      );
      const bar = make("meter", { min: "0", max: String(most || 1), value: String(milliseconds ?? 0) });
      return make(
        "tr",
        { "aria-selected": String(i === this.#chosen) },
        make("td", {}, open),
        make("td", {}, shape),
        make("td", {}, reads),
        ...(timed ? [time, make("td", {}, bar)] : []),
      );
    });
    const head = make("tr", {}, ...titles.map((t) => make("th", t === "ms" ? { class: "number" } : {}, t)));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
  }
}
