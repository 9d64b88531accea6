import { describeInVm } from '../lib/vm.ts';
import { MODULES, suite } from './mpls.ts';
describeInVm('one', { file: import.meta.filename, modules: MODULES }, suite);
