/** The worker: computes, so that the page never waits. */
import { useDevice } from "../../mod.ts";
import { check, descend, evaluate, insides, sweep } from "./compute.ts";
import { failureOf } from "./loss_text.ts";
import type { Answers, Order, Reply, Request } from "./protocol.ts";

/** Whether something else waits, so that a sweep should end. */
let hurried = false;

self.onmessage = async ({ data }: MessageEvent<Request | "hurry">) => {
  if (data === "hurry") return void (hurried = true);
  hurried = false;
  postMessage(await reply(data.id, data.order));
};

async function reply(id: number, order: Order): Promise<Reply> {
  try {
    return { id, answer: await answer(order) };
  } catch (error) {
    return { id, failure: failureOf(error) };
  }
}

async function answer(order: Order): Promise<Answers[keyof Answers] | null> {
  const { problem } = order;
  if (order.kind === "check") return await check(problem);
  const device = await useDevice(order.device);
  switch (order.kind) {
    case "evaluate":
      return await evaluate(problem, device);
    case "inspect":
      return await insides(problem, device, order.time);
    case "descend":
      return await descend(problem, device, order.steps, order.rate);
    case "sweep":
      return await sweep(problem, device, { ...order, givenUp: () => hurried });
  }
}
