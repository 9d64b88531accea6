export * from './address.ts';
export * from './prefix.ts';
export { PrefixTable } from './prefix-table.ts';
