export { type UntilOptions, until } from '../../src/cli/demo/until.ts';
