/** What LevelDB says of its tables and compactions since it was opened; it rounds bytes to MiB and times to seconds. */
export interface LevelStats {
  readonly files: number
  readonly bytes: number
  readonly compactionSeconds: number
  readonly compactionReadBytes: number
  readonly compactionWrittenBytes: number
  /** Write buffers and cached index blocks, bytes. */
  readonly memoryBytes: number
}

const MIB = 1024 ** 2
/** `Level  Files Size(MB) Time(sec) Read(MB) Write(MB)`, one line a level. */
const ROW = /^\s*\d+\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$/gm

/** Sums the lines of LevelDB's property `leveldb.stats`; `memory` is its `leveldb.approximate-memory-usage`. */
export function parseLevelStats(stats: string, memory: string): LevelStats {
  const rows = [...stats.matchAll(ROW)].map(([, ...columns]) => columns.map(Number))
  const sum = (column: number): number => rows.reduce((total, row) => total + (row[column] ?? 0), 0)
  return {
    files: sum(0),
    bytes: sum(1) * MIB,
    compactionSeconds: sum(2),
    compactionReadBytes: sum(3) * MIB,
    compactionWrittenBytes: sum(4) * MIB,
    memoryBytes: Number(memory) || 0
  }
}
