// What reclamation.test.ts and its worker share: words of the state, and the size of an object.
export const PUBLISHED = 0;
export const STOP = 1;
export const READY = 2;
/** Words that a reader found to be wrong. */
export const BAD = 3;
/** One for each slot: looks so far. */
export const LOOKS = 4;
export const STATE_WORDS = 8;
export const OBJECT_WORDS = 16;
export const OBJECTS = 1024;
/** Looks between two quiescent states. */
export const VECTOR = 32;
