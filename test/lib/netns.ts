// Tests build their networks with the demo's own lab.
export { Lab, Namespace, runCommand } from '../../src/cli/demo/lab.ts';
