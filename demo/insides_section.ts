/** The part of the page that shows the code, and the kernels of a device that is chosen there. */
import type { DeviceInsides } from "./insides.ts";

const digits = (x: number): string => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));

/** A time in three digits, with its unit. */
const timeOf = (milliseconds: number): string =>
  milliseconds < 1 ? `${digits(1000 * milliseconds)} µs` : `${digits(milliseconds)} ms`;

/** The section; `escape` makes text safe. Devices are chosen by radio buttons, so that the page needs no script. */
export function insidesSection(
  code: string,
  devices: readonly DeviceInsides[],
  escape: (text: string) => string,
): string {
  const works = devices.filter(({ reason }) => reason === null);
  const missing = devices.filter(({ reason }) => reason !== null);
  return `<section class="insides">
<h2>The code</h2>
<p>All figures above come from these functions of <code>demo/objective.ts</code>: an objective is made once, then recorded and evaluated for each batch of predictions.</p>
<pre>${escape(code)}</pre>
<h2>The devices and their kernels</h2>
<p>The same program on each device of the machine that made this page, for the batch of all photographs. A time is the median of five calls, with predictions in and gradients out; <code>npm run demo -- --device NAME</code> makes the page with another one.</p>
<div class="choice">
${
    works.map(({ name, milliseconds }, i) =>
      `<label><input type="radio" name="device" id="device-${name}"${i === 0 ? " checked" : ""}>${name} <small>${
        timeOf(milliseconds)
      }</small></label>`
    ).join("\n")
  }
</div>
${works.map((device) => kernels(device, escape)).join("\n")}
${
    missing.length === 0
      ? ""
      : `<details><summary>Devices that are not here</summary><ul>${
        missing.map(({ name, reason }) => `<li><b>${name}</b> ${escape(reason!)}</li>`).join("")
      }</ul></details>`
  }
</section>`;
}

function kernels({ name, loss, kernels }: DeviceInsides, escape: (text: string) => string): string {
  return `<div class="kernels" id="kernels-${name}">
<p>${kernels.length} kernels; the loss is ${loss.toPrecision(8)}.</p>
${
    kernels.map(({ title, milliseconds, source }) =>
      `<details><summary>${escape(title)}${
        milliseconds === null ? "" : ` <small>${timeOf(milliseconds)}</small>`
      }</summary><pre>${escape(source)}</pre></details>`
    ).join("\n")
  }
</div>`;
}

/** Styles of the section. */
export function insidesStyle(devices: readonly DeviceInsides[]): string {
  const shown = devices.map(({ name }) => `.insides:has(#device-${name}:checked) #kernels-${name} { display: block; }`)
    .join("\n");
  return `.insides pre { overflow: auto; max-height: 480px; padding: 12px 16px; background: #23272d; color: #eceae4; border-radius: 4px;
  font: 12.5px/1.5 ui-monospace, monospace; }
.insides small { color: var(--soft); }
.choice { display: flex; flex-wrap: wrap; gap: 6px 22px; }
.kernels { display: none; }
${shown}`;
}
