/** The program of one peer on a page, which the bench calls. */
import type { About, Answer, Refusal, Request } from "../harness/protocol.ts";
import { Answers } from "./answer.ts";
import { openLibrary } from "./open.ts";

const files = {
  read: async (file: string) => await (await fetch(`/shared/${file}`, { cache: "no-store" })).arrayBuffer(),
  async write(file: string, data: Float32Array) {
    // The driver of the browser is sent request bodies as text, but not blobs: 90 MB would be more than a string holds.
    await fetch(`/shared/${file}`, { method: "PUT", body: new Blob([data as Float32Array<ArrayBuffer>]) });
  },
};

let answers: Answers | null = null;

/** The functions that the bench calls. */
const benchPeer = {
  async open(name: string, threads: number): Promise<About | Refusal> {
    Object.defineProperty(navigator, "hardwareConcurrency", { value: threads, configurable: true });
    try {
      const library = await openLibrary(name, threads);
      answers = new Answers(library, { files, cpu: () => null });
      return { version: library.version, configuration: library.configuration };
    } catch (error) {
      return { cannot: `does not start: ${(error as Error).message}` };
    }
  },
  answer: (request: Request): Promise<Answer> => answers!.to(request),
};

Object.assign(globalThis, { benchPeer });
