import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client'

/** What the process costs, read when asked. */
export interface ProcessReadings {
  readonly rssBytes: number
  /** Anonymous part of RSS: what cannot be dropped; equals RSS where the platform does not tell. */
  readonly anonBytes: number
  /** File-backed part of RSS: program text and mapped files, dropped under pressure. */
  readonly fileBytes: number
  readonly cpuSeconds: number
  readonly eventLoopLagMs: { readonly p50: number; readonly p99: number; readonly max: number }
}

export interface ProcessProbe {
  read(): ProcessReadings
  stop(): void
}

/** Sampling period of the loop's lag, ms: coarse enough to cost nothing measurable, fine enough for a p99 of some ms. */
const LAG_RESOLUTION_MS = 20

/** Registers Node's default metrics and the memory split, and gives the same readings to `status`. */
export function createProcessProbe(register: Registry): ProcessProbe {
  collectDefaultMetrics({ register })
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  lag.enable()
  new Gauge({
    name: 'sealsync_process_resident_memory_bytes',
    help: 'Resident memory by kind: anon cannot be dropped by the kernel, file can',
    labelNames: ['kind'],
    registers: [register],
    collect() {
      const memory = readMemory()
      this.set({ kind: 'anon' }, memory.anonBytes)
      this.set({ kind: 'file' }, memory.fileBytes)
    }
  })
  const ms = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e6 - LAG_RESOLUTION_MS) : 0
  return {
    read() {
      const cpu = process.cpuUsage()
      return {
        ...readMemory(),
        cpuSeconds: (cpu.user + cpu.system) / 1e6,
        eventLoopLagMs: { p50: ms(lag.percentile(50)), p99: ms(lag.percentile(99)), max: ms(lag.max) }
      }
    },
    stop: () => lag.disable()
  }
}

function readMemory(): Pick<ProcessReadings, 'rssBytes' | 'anonBytes' | 'fileBytes'> {
  try {
    const text = readFileSync('/proc/self/status', 'latin1')
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
    return { rssBytes: kib('VmRSS'), anonBytes: kib('RssAnon'), fileBytes: kib('RssFile') + kib('RssShmem') }
  } catch {
    const rssBytes = process.memoryUsage.rss()
    return { rssBytes, anonBytes: rssBytes, fileBytes: 0 }
  }
}
