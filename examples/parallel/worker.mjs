/** A worker of the pool. It loads TypeScript itself, so that modules that are imported later are TypeScript, too. */
import { register } from "tsx/esm/api";

register();
const { default: work } = await import("./shard.ts");
export default work;
