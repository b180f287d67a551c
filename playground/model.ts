/** The page's model: its state, the predictions, and what was computed of them. */
import { type Box, DEFAULT_BOXES, encode, placed } from "./boxes.ts";
import { Engine, OrderError, Stopped } from "./engine/client.ts";
import type { Evaluation, Failure, Parameter, Problem, Sweep, Verdict } from "./engine/protocol.ts";
import { edited, type Predictions } from "./predictions.ts";
import { SCENES } from "./scenes.ts";
import { predictionsOf, startOf, type State } from "./state.ts";
import { whenQuiet } from "./dom.ts";

/** Half the width of what is drawn along a parameter, by what it is. */
const REACH: Readonly<Record<Parameter["of"], number>> = { truths: 0.5, locations: 10, logits: 8 };

/** An answer and what it answers. */
export interface Along {
  readonly parameter: Parameter;
  readonly sweep: Sweep;
}

/** The state of the page and of its two workers. */
export class Model {
  state: State;
  predictions: Predictions;
  evaluation: Evaluation | null = null;
  along: Along | null = null;
  /** The range of the parameter; it stays while the parameter is dragged. */
  range: readonly [number, number] = [0, 1];
  verdict: Verdict | null = null;
  /** Whether the verdict is about what is shown. */
  checked = false;
  /** Why there is no loss, or no device. */
  failure: Failure | null = null;
  busy = false;
  readonly live: Engine;
  readonly #checker = new Engine();
  readonly #changed: () => void;
  readonly #checkLater: () => void;

  constructor(state: State, changed: () => void) {
    this.state = state;
    this.predictions = state.descended ?? predictionsOf(state);
    this.#changed = changed;
    this.live = new Engine((busy) => {
      this.busy = busy;
      changed();
    });
    this.#checkLater = whenQuiet(300, () => void this.#check());
    this.#setRange();
  }

  /** The default boxes, with those that were moved. */
  get boxes(): readonly Box[] {
    const { moved } = this.state;
    return moved.size === 0 ? DEFAULT_BOXES : DEFAULT_BOXES.map((box, i) => moved.get(i) ?? box);
  }

  get classes(): readonly string[] {
    return SCENES[this.state.scene].classes;
  }

  get problem(): Problem {
    const { text, truths } = this.state;
    return { text, truths, boxes: this.boxes, classes: this.classes.length, ...this.predictions };
  }

  /** The box that is selected: a truth, or a default box. */
  get selected(): { readonly kind: "truth" | "default"; readonly index: number } {
    const { of, index } = this.state.parameter;
    return { kind: of === "truths" ? "truth" : "default", index };
  }

  /** Changes the state; predictions follow the scene, the seed and the edits, and a descent ends there. */
  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    if (change.scene || change.seed !== undefined || change.edits) this.#undescended();
    if (change.parameter) this.#setRange();
    this.compute();
  }

  /** The image as it is at first. */
  startAgain(scene = this.state.scene): void {
    this.set(startOf(scene));
  }

  moveTruth(index: number, box: Box): void {
    const truths = this.state.truths.map((truth, i) => (i === index ? { ...truth, box: placed(box) } : truth));
    this.set({ truths });
  }

  moveDefault(index: number, box: Box): void {
    this.set({ moved: new Map(this.state.moved).set(index, placed(box)) });
  }

  /** Moves a predicted box, that is, its location. */
  movePrediction(index: number, box: Box): void {
    const location = encode(box, this.boxes[index]);
    this.#edit(location.map((value, row) => [`l${row * DEFAULT_BOXES.length + index}`, value]));
  }

  /** The value of the parameter. */
  get value(): number {
    const { of, index, row } = this.state.parameter;
    if (of === "truths") return this.state.truths[index]?.box[row] ?? 0;
    return this.predictions[of][row * DEFAULT_BOXES.length + index];
  }

  /** Sets the parameter to a value. */
  slide(value: number): void {
    const { of, index, row } = this.state.parameter;
    if (of !== "truths") {
      this.#edit([[`${of === "locations" ? "l" : "c"}${row * DEFAULT_BOXES.length + index}`, value]]);
      return;
    }
    const box = this.state.truths[index]?.box.map((v, k) => (k === row ? value : v));
    if (box) this.moveTruth(index, box as unknown as Box);
  }

  #edit(changes: readonly (readonly [string, number])[]): void {
    const edits = new Map(this.state.edits);
    for (const [key, value] of changes) edits.set(key, value);
    // A descent goes on from where it is.
    this.predictions = edited(this.predictions, changes);
    this.state = { ...this.state, edits, descended: this.state.descended && this.predictions };
    this.compute();
  }

  #setRange(): void {
    const { of, row } = this.state.parameter;
    const reach = REACH[of];
    if (of === "truths") this.range = row < 2 ? [0, 1] : [0.02, 1];
    else this.range = [Math.min(-reach, this.value - reach / 2), Math.max(reach, this.value + reach / 2)];
  }

  /** Computes what is shown; while the worker is busy the newest state waits, and the page goes on. */
  compute(): void {
    this.checked = false;
    this.#changed();
    void this.#evaluate();
    this.#checkLater();
  }

  async #evaluate(): Promise<void> {
    const { problem, state: { device, text } } = this;
    try {
      const evaluation = await this.live.ask({ kind: "evaluate", device, problem });
      if (!evaluation) return;
      this.evaluation = evaluation;
      this.failure = null;
      this.#changed();
      void this.#sweep();
    } catch (error) {
      if (text === this.state.text) this.#fail(error);
    }
  }

  async #sweep(): Promise<void> {
    const { problem, range, state: { device, parameter } } = this;
    try {
      const sweep = await this.live.ask({ kind: "sweep", device, problem, parameter, range });
      if (!sweep) return;
      this.along = { parameter, sweep };
      this.#changed();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #check(): Promise<void> {
    const { problem } = this;
    const current = () => problem.text === this.state.text && problem.truths === this.state.truths;
    try {
      const verdict = await this.#checker.ask({ kind: "check", device: "float64", problem });
      if (!verdict) return;
      this.verdict = verdict;
      this.checked = current();
      this.#changed();
    } catch (error) {
      if (!current()) return;
      this.verdict = null;
      this.#fail(error);
    }
  }

  /** Takes steps of gradient descent. */
  async descend(steps: number): Promise<void> {
    const { problem, predictions, state: { device, rate } } = this;
    try {
      const answer = await this.live.ask({ kind: "descend", device, problem, steps, rate });
      // If the predictions changed meanwhile, the steps did not begin there.
      if (!answer || this.predictions !== predictions) return;
      const { losses, ...descended } = answer;
      this.predictions = descended;
      this.state = { ...this.state, descended, losses: [...this.state.losses, ...losses] };
      this.compute();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Changes what nothing that was computed depends on. */
  keep(change: Partial<Pick<State, "rate" | "shown" | "inside">>): void {
    this.state = { ...this.state, ...change };
    this.#changed();
  }

  /** The predictions as they were before the descent. */
  reset(): void {
    this.#undescended();
    this.compute();
  }

  #undescended(): void {
    this.state = { ...this.state, descended: null, losses: [] };
    this.predictions = predictionsOf(this.state);
  }

  /** Ends what runs. */
  stop(): void {
    this.live.stop();
    this.#checker.stop();
  }

  #fail(error: unknown): void {
    if (error instanceof Stopped) this.failure = { message: "Stopped. Change something to go on." };
    else this.failure = error instanceof OrderError ? error.failure : { message: String(error) };
    this.#changed();
  }
}
