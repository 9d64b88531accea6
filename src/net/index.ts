export * from './address.ts';
export { type Column, grown, moreRows, newColumn } from './column.ts';
export * from './prefix.ts';
export { PrefixTable } from './prefix-table.ts';
