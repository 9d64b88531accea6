// The dataplane: updates are snapshotted into pooled contexts and pushed through an ordered pipeline of providers in a
// thread of its own; results and the kernel's own notifications come back the same way. See docs/architecture.md.
export * from './channel.ts';
export * from './client.ts';
export * from './context.ts';
export * from './operation.ts';
