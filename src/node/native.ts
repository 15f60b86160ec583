/** The process's own C functions, through the native part of koffi, a foreign function interface. */
import { createRequire } from 'node:module'

export interface NativeFunction<In extends readonly unknown[], Out> {
  (...given: In): Out
  /** In a thread of the pool. Throws when it cannot be begun. */
  async(...given: [...In, done: (error: Error | null, result: Out) => void]): void
}

/** What is used of koffi's native part: its JavaScript would bring 4 MiB more of Node's own modules. */
interface Koffi {
  load(path: null): { func<In extends readonly unknown[], Out>(declaration: string): NativeFunction<In, Out> }
}

/** Throws where it is not installed; the function that is then asked for may be missing too. */
export function loadKoffi(): Koffi {
  const require = createRequire(import.meta.url)
  const native: unknown =
    process.arch === 'arm64' ? require('@koromix/koffi-linux-arm64') : require('@koromix/koffi-linux-x64')
  return native as Koffi
}
