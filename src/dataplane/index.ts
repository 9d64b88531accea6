/**
 * The dataplane: updates are snapshotted into pooled contexts and pushed through an ordered pipeline of providers in a
 * thread of its own; results and the kernel's own notifications come back the same way.
 *
 *   const channel = createDataplaneChannel();
 *   const thread = await Thread.start({ name: 'dplane', entry: dataplaneThread, data: { channel }, ownLoop: true });
 *   const client = new DataplaneClient(channel);
 *
 * The stream of notifications begins by itself with a dump of every kind. A program that wants no thread makes a `Dataplane`
 * over the channel and calls its `turn`.
 */
export * from './channel.ts';
export { contextPool } from './checked-pool.ts';
export * from './client.ts';
export * from './constants.ts';
export * from './context.ts';
export { pathSlots } from './context/routes.ts';
export * from './dataplane.ts';
export * from './listener.ts';
export * from './load.ts';
export * from './notifications.ts';
export * from './operation.ts';
export { EVENT_GONE, EVENT_REPLAY, Pipeline, type PipelineListener, type PipelineStats } from './pipeline.ts';
export * from './provider.ts';
export { KernelProvider, type KernelProviderOptions, type KernelStats } from './provider/kernel.ts';
export { Capture, type CaptureOptions, type CaptureStats } from './provider/capture/capture.ts';
export { seeded, type TestFaults, type TestOptions, TestProvider } from './provider/test.ts';
export { WorkerStage, type WorkerStageOptions } from './worker/stage.ts';
export type { DataplaneThreadData } from './thread.ts';

/** Module of the thread, for `Thread.start`. */
export const dataplaneThread: URL = new URL(
  import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js',
  import.meta.url,
);
