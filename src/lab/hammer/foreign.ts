import type { NodeIdentity } from '../../model/index.ts'
import { importNetworkKey, type NetworkKey, parseHostPort, peerIdOf } from '../../p2p/index.ts'
import { BlobCid } from '../../model/index.ts'
import { type Clock, messageOf, type Rng } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { withDeadline } from '../localnet/deadline.ts'
import type { LabHttp } from '../localnet/http.ts'
import type { Catalogue } from './blobs.ts'
import { LoadPeer } from './load-peer.ts'
import type { HammerOptions } from './options.ts'
import { ForeignTarget } from './target.ts'

export interface ForeignComponents {
  readonly clock: Clock
  readonly rng: Rng
  readonly http: LabHttp
  readonly catalogue: Catalogue
  readonly note: (line: string) => void
}

/** Where the listeners of a node are when nobody says otherwise. */
const METRICS_PORT = 8_080
const API_PORT = 8_070
const CONNECT_LIMIT_MS = 8_000
const DESCRIBE_LIMIT_MS = 10_000
/** Heights that are looked into for blobs to ask for. */
const LOOKED_AT = 64
const MULTIADDRESS = /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d+)(?:\/p2p\/[^/]+)?$/

/** Host and port of `HOST:PORT` or of a multiaddress; `undefined` for anything else. */
export function parseAgainst(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, host, port] = MULTIADDRESS.exec(text) ?? []
  return host === undefined ? parseHostPort(text) : { host, port: Number(port) }
}

/** A node that runs already, and one staked peer of it, with the key that was given. Throws LabError `bad-target`. */
export async function openForeign(
  components: ForeignComponents,
  use: { readonly options: HammerOptions; readonly signal: AbortSignal }
) {
  const { options, signal } = use
  const at = parseAgainst(options.against ?? '')
  if (at === undefined || options.networkKeyFile === undefined)
    throw new LabError('bad-option', `--against '${options.against}' must be HOST:PORT or /ip4/HOST/tcp/PORT`)
  const key = await importNetworkKey(options.networkKeyFile)
  const target = await ForeignTarget.open(components, {
    metrics: options.againstMetrics ?? `${at.host}:${METRICS_PORT}`,
    api: options.againstApi ?? `${at.host}:${API_PORT}`
  })
  const peer = await connect(components, { at, key, target, signal })
  try {
    await look(components, target, signal)
  } catch (error) {
    await peer.stop()
    throw error
  }
  return {
    arena: undefined,
    target,
    peers: [peer],
    async close(): Promise<readonly string[]> {
      await peer.stop()
      return []
    }
  }
}

async function connect(
  { clock, rng }: ForeignComponents,
  use: { at: { host: string; port: number }; key: NetworkKey; target: ForeignTarget; signal: AbortSignal }
): Promise<LoadPeer> {
  const { at, key, target, signal } = use
  const blobs = { has: async () => false, getSize: async () => undefined, get: async () => undefined }
  const peer = await LoadPeer.start(
    { clock, rng },
    {
      key,
      listen: { host: '127.0.0.1', port: 0 },
      identities: [entry(peerIdOf(key), { host: '127.0.0.1', port: 1 }), entry(target.peerId, at)],
      asks: target.peerId,
      blobs
    }
  )
  try {
    await peer.connected(target.peerId, { limitMs: CONNECT_LIMIT_MS, signal })
    return peer
  } catch (cause) {
    await peer.stop()
    const where = `${at.host}:${at.port}`
    throw new LabError(
      'bad-target',
      `${where} does not let us in as a peer of ${target.peerId}: is that its p2p address, and is the key of --network-key-file in its identity table?`,
      { cause }
    )
  }
}

/** Only its id and address count here. */
function entry(peerId: NodeIdentity['peerId'], at: { readonly host: string; readonly port: number }): NodeIdentity {
  const nodeId = peerId as unknown as NodeIdentity['nodeId']
  return { nodeId, role: 'access', ...at, networkPublicKey: new Uint8Array(64), peerId, weight: 100, ejected: false }
}

/** Finds out what it holds. Throws LabError `bad-target` when that is nothing. */
async function look(components: ForeignComponents, target: ForeignTarget, signal: AbortSignal): Promise<void> {
  const { clock, http, catalogue, rng } = components
  const status = (await target.status({ signal })).heights
  const { consecutive, lowest = consecutive } = status
  let why = 'it has no height'
  if (consecutive !== undefined && lowest !== undefined) {
    const span = consecutive - lowest + 1
    const all = Array.from({ length: Math.min(span, LOOKED_AT) }, (_, at) =>
      span <= LOOKED_AT ? lowest + at : lowest + Math.floor(rng.next() * span)
    )
    for (const height of new Set(all)) {
      signal.throwIfAborted()
      try {
        const url = `http://${target.apiAddress}/v1/execution-data/${height}?format=json`
        catalogue.add(
          height,
          blobsOf(
            await withDeadline(clock, { ms: DESCRIBE_LIMIT_MS, signal }, (until) => http.json(url, { signal: until }))
          )
        )
      } catch (error) {
        why = messageOf(error)
      }
    }
  }
  if (catalogue.blobCount === 0) throw new LabError('bad-target', `the target holds nothing to ask for: ${why}`)
}

function blobsOf(value: unknown): { readonly cid: BlobCid; readonly size: number }[] {
  const { blobs } = (value ?? {}) as { blobs?: unknown }
  if (!Array.isArray(blobs)) return []
  return blobs.flatMap((blob: { cid?: unknown; size?: unknown } | null) => {
    const cid = typeof blob?.cid === 'string' ? BlobCid.parse(blob.cid) : undefined
    return cid === undefined ? [] : [{ cid, size: Number(blob?.size ?? 0) }]
  })
}
