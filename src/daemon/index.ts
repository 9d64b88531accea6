// The daemon: which threads run, who is wired to whom, signals, restart.
export { type DaemonOptions, ExitCode, runDaemon } from './daemon.ts';
export { groupPlans, type Wiring } from './threads.ts';
