/** Loads for measurements. */
export { mixedSize, type SyntheticBlockOptions, syntheticBlock } from './synthetic-block.ts'
