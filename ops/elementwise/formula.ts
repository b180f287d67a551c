/** A function with its constants, read and checked, and how it is called. */
import { describe, type Signature } from "../../core/options.ts";
import { Tensor } from "../../core/tensor.ts";
import { GLOBALS, globalValue, mathCallable, mathNameOf } from "./builtins.ts";
import { checkFunction } from "./check.ts";
import { Scope, type Shared } from "./scope.ts";
import { type ReadFunction, readFunction } from "./source.ts";
import { State } from "./state.ts";
import { Executor } from "./statements.ts";
import { Callable, numberOf, type Value } from "./values.ts";

// deno-lint-ignore no-explicit-any
type AnyFunction = (...args: any[]) => unknown;

/** A constant before a call: a function that was read takes its scope from the call. */
type Prepared = (run: Run) => Value;

/** The context of a call of a formula. */
interface Run {
  readonly executor: Executor;
  readonly shared: Shared;
}

/** A function of numbers that can be recorded. */
export class Formula {
  readonly #read: ReadFunction;
  readonly #constants: ReadonlyMap<string, Prepared>;

  /**
   * @param call the function that the formula was passed to.
   * @param isRecorder whether a function records ops by itself, element by element.
   */
  constructor(
    call: Signature,
    fn: AnyFunction,
    constants: Readonly<Record<string, unknown>>,
    isRecorder: (fn: AnyFunction) => boolean,
  ) {
    const names = Object.keys(constants);
    const taken = names.find((name) => GLOBALS.includes(name));
    if (taken !== undefined) {
      throw call.error(`expected constants with names other than ${taken}, which JavaScript has`);
    }
    this.#read = readFunction(call.name, fn.name ? `the function ${fn.name}` : "the function", fn);
    checkFunction(this.#read.node, this.#read.source, names);
    const preparer = new Preparer(call, names, isRecorder);
    this.#constants = new Map(names.map((name) => [name, preparer.prepare(`constants.${name}`, constants[name])]));
  }

  /** The names of the parameters, by which errors call the arguments. */
  get parameters(): readonly string[] {
    return this.#read.node.params.map((pattern, i) => {
      const named = pattern.type === "AssignmentPattern" ? pattern.left : pattern;
      return named.type === "Identifier" ? named.name : `arguments[${i}]`;
    });
  }

  /** Whether it takes any number of arguments. */
  get isVariadic(): boolean {
    return this.#read.node.params.at(-1)?.type === "RestElement";
  }

  /** Evaluates the formula. */
  call(args: readonly Value[]): Value {
    const { node, source } = this.#read;
    const executor = new Executor();
    const values = new Map<string, Value>();
    const shared: Shared = {
      state: new State(),
      global: (name) => {
        const prepared = this.#constants.get(name);
        if (!values.has(name)) values.set(name, prepared ? prepared({ executor, shared }) : globalValue(name));
        return values.get(name);
      },
    };
    const scope = new Scope(shared, source, null);
    return executor.functionOf(node, scope).call(args, scope.at(node));
  }

  /** Refuses a result. */
  refuse(got: string): never {
    const { node, source } = this.#read;
    return source.fail(node.body, `expected a function that returns a number for every element, got ${got}`);
  }
}

/** Prepares constants. */
class Preparer {
  readonly #call: Signature;
  readonly #names: readonly string[];
  readonly #isRecorder: (fn: AnyFunction) => boolean;

  constructor(call: Signature, names: readonly string[], isRecorder: (fn: AnyFunction) => boolean) {
    this.#call = call;
    this.#names = names;
    this.#isRecorder = isRecorder;
  }

  /** A constant by its path. */
  prepare(path: string, value: unknown): Prepared {
    if (typeof value === "number" || typeof value === "boolean") return () => value;
    if (typeof value === "function") return this.#function(path, value as AnyFunction);
    if (Array.isArray(value)) {
      const elements = value.map((element, i) => this.prepare(`${path}[${i}]`, element));
      return (run) => elements.map((element) => element(run));
    }
    if (typeof value === "object" && value !== null && !(value instanceof Tensor)) {
      const fields = Object.entries(value).map(([key, field]) => [key, this.prepare(`${path}.${key}`, field)] as const);
      return (run) => new Map(fields.map(([key, field]) => [key, field(run)]));
    }
    const advice = value instanceof Tensor ? "; pass tensors as arguments" : "";
    throw this.#call.error(
      `expected ${path} to be a number, a function of numbers, or arrays and objects of them, got ${
        describe(value)
      }${advice}`,
    );
  }

  #function(path: string, fn: AnyFunction): Prepared {
    const math = mathNameOf(fn);
    if (math !== null) {
      const callable = mathCallable(math);
      if (typeof callable === "string") throw this.#call.error(callable);
      return () => callable;
    }
    if (this.#isRecorder(fn)) {
      const { name } = fn;
      const recorder = new Callable(name, (args, site) => fn(...args.map((arg) => numberOf(arg, site))) as Tensor);
      return () => recorder;
    }
    const { node, source } = readFunction(this.#call.name, path, fn);
    checkFunction(node, source, this.#names);
    return ({ executor, shared }) => executor.functionOf(node, new Scope(shared, source, null));
  }
}
