/** The view of tape, plan and kernels. */
import { byId, fill, make } from "./dom.ts";
import { OrderError } from "./engine/client.ts";
import type { Insides, KernelText } from "./engine/protocol.ts";
import type { Model } from "./model.ts";
import { short } from "./panels.ts";
import { type Inside, INSIDES } from "./state.ts";

/** Shows the insides of the loss while the view is open. */
export class InsidesView {
  #shown: Insides | null = null;
  #chosen = 0;
  /** The subject of the text, and the problem for which it was requested. */
  #asked: unknown = null;

  constructor(readonly model: Model) {
    const [view, place] = [byId<HTMLSelectElement>("view"), byId<HTMLDetailsElement>("insides")];
    fill(view, INSIDES.map((name) => ({ value: name, text: name })));
    view.value = model.state.inside ?? INSIDES[0];
    place.open = model.state.inside !== null;
    const keep = () => model.keep({ inside: place.open ? view.value as Inside : null });
    view.addEventListener("change", () => {
      keep();
      this.#show();
    });
    place.addEventListener("toggle", keep);
    byId("time").addEventListener("click", () => void this.#ask(true));
  }

  /** The loss may be another one. */
  changed(): void {
    const { state: { text, device, scene, truths, inside }, evaluation } = this.model;
    const about = JSON.stringify([text, device, scene, truths.length]);
    if (inside === null || !evaluation || this.#asked === about) return;
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
    // Of a small loss, most kernels take less than a thousandth of a millisecond.
    const [unit, each] = most < 1 ? ["µs", 1000] : ["ms", 1];
    const titles = ["kernel", ...(timed ? [unit, ""] : []), "shape", "reads"];
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
        milliseconds === null ? "–" : short(milliseconds * each),
      );
      const bar = make("meter", { min: "0", max: String(most || 1), value: String(milliseconds ?? 0) });
      return make(
        "tr",
        { "aria-selected": String(i === this.#chosen) },
        make("td", {}, open),
        ...(timed ? [time, make("td", {}, bar)] : []),
        make("td", {}, shape),
        make("td", {}, reads),
      );
    });
    const head = make("tr", {}, ...titles.map((t) => make("th", t === unit ? { class: "number" } : {}, t)));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
  }
}
