// Record and replay: a run of a speaker on tape, and the same run again without the world.
export { Player, type PlayerOptions } from './player.ts';
export { Recorder, type RecorderOptions } from './recorder.ts';
export { TapeError, type TapeHead, TapeReader } from './tape.ts';
