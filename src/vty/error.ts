// What a command says when the operator asked for something impossible. Anything else that a command throws is our bug.

/** A mistake of the operator's: its message is shown as it is (FRR begins them with `% `). */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
