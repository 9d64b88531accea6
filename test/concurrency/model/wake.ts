// What stands in for src/concurrency/wake.ts: eventfds in the model's kernel.
export { clearEventfd as clearWake, openEventfd as openWake, writeEventfd as wake } from './engine.ts';

export function closeWake(): void {}
