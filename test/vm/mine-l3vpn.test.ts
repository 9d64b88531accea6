import { describeInVm } from '../lib/vm.ts';
import { MODULES, suite } from './l3vpn.ts';
describeInVm('one', { file: import.meta.filename, modules: MODULES }, suite);
