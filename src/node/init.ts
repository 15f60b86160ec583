/**
 * Makes a data directory that `run` can start from, and reads back who its node is.
 */
import { hash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { isRole, type NodeId, type NodeRole, type PeerIdText, parseNodeId, type Role } from '../model/index.ts'
import {
  generateNetworkKey,
  generateObserverKey,
  type HostPort,
  type IdentityEntry,
  identityEntryFor,
  importNetworkKey,
  importObserverKey,
  type NetworkKey,
  type ObserverKey,
  parseHostPort,
  peerIdOf,
  readNetworkKey,
  readObserverKey,
  writeNetworkKey
} from '../p2p/index.ts'
import { DataDirectory } from '../store/index.ts'
import { codeOf, toHex } from '../util/index.ts'
import type { ConfigPath } from './config/keys.ts'
import { renderConfig } from './config/render.ts'
import { NodeError } from './errors.ts'
import { assertNotWoundDown } from './wind-down-record.ts'

/** What Flow gives a node that states no weight. */
const DEFAULT_WEIGHT = 100

export interface InitOptions {
  readonly dataDir: string
  readonly role: NodeRole
  /** `host:port` where peers reach the node. */
  readonly address: string
  /** Where an access node serves observers, `host:port`. */
  readonly publicAddress?: string
  /** A private key to take instead of making one: P-256, an observer's secp256k1. */
  readonly networkKeyFile?: string
  /** 64 hex digits; default: the sha-256 of the public key, an observer's the X of its key. */
  readonly nodeId?: string
}

export interface NodeIdentityText {
  readonly peerId: PeerIdText
  /** `X ‖ Y`, 128 hex digits. */
  readonly networkPubKey: string
  readonly nodeId: NodeId
}

/**
 * Throws NodeError `exists` (there is a key already) or `config` (address, node id), P2pError for a key file, StoreError for the
 * directory.
 */
export async function initNode(
  options: InitOptions
): Promise<{ readonly entry: IdentityEntry; readonly peerId: PeerIdText }> {
  const address = parseHostPort(options.address)
  if (address === undefined)
    throw new NodeError('config', `--address '${options.address}' must be HOST:PORT with a port from 1 to 65535`)
  if (await isInitialised(options.dataDir)) {
    throw new NodeError(
      'exists',
      `${options.dataDir} has a network key already: choose another --data-dir, or run the node that is there`
    )
  }
  const publicAddress = publicAddressOf(options)
  const key = await initialKey(options)
  const nodeId = nodeIdFor(key, options.nodeId)
  const directory = await DataDirectory.open(options.dataDir)
  try {
    const listen = listenHost(address.host)
    const settings = new Map<ConfigPath, string>([
      ['node.role', options.role],
      ['p2p.address', `${listen}:${address.port}`]
    ])
    if (publicAddress !== undefined)
      settings.set('public.address', `${listenHost(publicAddress.host)}:${publicAddress.port}`)
    await writeFile(join(options.dataDir, 'config.toml'), renderConfig(settings))
    await writeFile(
      identityPath(options.dataDir),
      `${JSON.stringify({ role: options.role, nodeId, address: options.address })}\n`
    )
    // Last, since the key is what says that the directory is complete.
    await writeNetworkKey(networkKeyPath(options.dataDir), key)
  } finally {
    await directory.close()
  }
  const entry = identityEntryFor({
    nodeId,
    role: options.role,
    ...address,
    networkPublicKey: pointOf(key),
    ...(publicAddress === undefined ? {} : { publicAddress }),
    weight: options.role === 'observer' ? 0 : DEFAULT_WEIGHT,
    ejected: false
  })
  return { entry, peerId: peerIdOf(key) }
}

/** True when the directory holds a network key, readable or not. */
export async function isInitialised(dataDir: string): Promise<boolean> {
  try {
    await readFile(networkKeyPath(dataDir))
    return true
  } catch (error) {
    return codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR'
  }
}

/**
 * Throws NodeError `config` where there is no node, and `wound-down` where there is none any more: nothing is made by a command that names
 * the wrong directory.
 */
export async function assertInitialised(dataDir: string): Promise<void> {
  if (await isInitialised(dataDir)) return
  await assertNotWoundDown(dataDir)
  throw new NodeError('config', `${dataDir} holds no node: make one with 'sealsync init --data-dir ${dataDir}'`)
}

/** Who the node of this directory is; works whether it runs or not. Throws P2pError `key-file-…`. */
export async function readIdentity(dataDir: string): Promise<NodeIdentityText> {
  const path = networkKeyPath(dataDir)
  const note = await readIdentityNote(dataDir)
  const key = note?.role === 'observer' ? await readObserverKey(path) : await readNetworkKey(path)
  return { peerId: peerIdOf(key), networkPubKey: toHex(pointOf(key)), nodeId: nodeIdFor(key, note?.nodeId) }
}

/** The role that `init` was given; `undefined` where there is no note of it. */
export async function initialisedRole(dataDir: string): Promise<Role | undefined> {
  const role = (await readIdentityNote(dataDir))?.role
  return isRole(role) ? role : undefined
}

export const networkKeyPath = (dataDir: string): string => join(dataDir, 'keys', 'network.key')

const identityPath = (dataDir: string): string => join(dataDir, 'keys', 'identity.json')

async function readIdentityNote(
  dataDir: string
): Promise<{ readonly role?: unknown; readonly nodeId?: string } | undefined> {
  try {
    return JSON.parse(await readFile(identityPath(dataDir), 'utf8')) as { role?: unknown; nodeId?: string }
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
}

function initialKey({
  role,
  networkKeyFile
}: InitOptions): Promise<NetworkKey | ObserverKey> | NetworkKey | ObserverKey {
  if (role === 'observer')
    return networkKeyFile === undefined ? generateObserverKey() : importObserverKey(networkKeyFile)
  return networkKeyFile === undefined ? generateNetworkKey() : importNetworkKey(networkKeyFile)
}

function publicAddressOf({ role, publicAddress }: InitOptions): HostPort | undefined {
  if (publicAddress === undefined) return undefined
  const address = parseHostPort(publicAddress)
  if (address === undefined || role !== 'access') {
    throw new NodeError('config', `--public-address '${publicAddress}' must be HOST:PORT, of an access node`)
  }
  return address
}

const listenHost = (host: string): string => (isIP(host) !== 0 && host.startsWith('127.') ? host : '0.0.0.0')

const pointOf = (key: NetworkKey | ObserverKey): Uint8Array => ('point' in key ? key.point : key.publicKey.point)

function nodeIdFor(key: NetworkKey | ObserverKey, given: string | undefined): NodeId {
  const own = 'point' in key ? toHex(key.point.subarray(0, 32)) : hash('sha256', key.publicKey.point, 'hex')
  const nodeId = parseNodeId(given ?? own)
  if (nodeId === undefined) throw new NodeError('config', `--node-id '${given}' must be 64 hex digits`)
  return nodeId
}
