import { messageOf } from '../util/index.ts'
import type { SealedBlock } from '../model/index.ts'
import type { RequesterComponents, TreeManifest } from './ports.ts'

/** What one try came to. */
export type JobOutcome =
  | { readonly kind: 'held'; readonly bytes: number; readonly blobs: number }
  | { readonly kind: 'malformed'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string; readonly gone: boolean }
  | { readonly kind: 'fatal'; readonly error: unknown }

/**
 * One try at a height: verify and store (downloader) → track → decode. Never rejects. An abort between the steps leaves what is
 * stored and tracked where it is; the next try finds it.
 */
export async function runJob<M extends TreeManifest>(
  components: Pick<RequesterComponents<M>, 'download' | 'tracker' | 'decode' | 'classify'>,
  block: SealedBlock,
  options: { readonly signal: AbortSignal; readonly onTracked: () => void }
): Promise<JobOutcome> {
  const { signal } = options
  let tracking = false
  try {
    const manifest = await components.download(block, { signal })
    signal.throwIfAborted()
    tracking = true
    await components.tracker.track(block, manifest.cids)
    tracking = false
    options.onTracked()
    await components.decode(manifest, { signal })
    return { kind: 'held', bytes: manifest.bytes, blobs: manifest.cids.length }
  } catch (error) {
    if (tracking) return { kind: 'fatal', error }
    if (signal.aborted) return { kind: 'failed', message: messageOf(signal.reason), gone: false }
    const kind = components.classify(error)
    if (kind === 'fatal') return { kind, error }
    if (kind === 'malformed') return { kind, message: messageOf(error) }
    return { kind: 'failed', message: messageOf(error), gone: kind === 'gone' }
  }
}
