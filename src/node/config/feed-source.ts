import { parseHostPort } from '../../p2p/index.ts'

/** Where sealed blocks come from, as `feed.source` names it. */
export type FeedSource =
  | { readonly kind: 'announcements' }
  | { readonly kind: 'file'; readonly path: string }
  /** Each `HOST:PORT`, or `https://HOST:PORT`. */
  | { readonly kind: 'flow-access'; readonly hosts: readonly string[] }

/** More hosts than this are a mistake: each is asked twice a second. */
const MAX_HOSTS = 16

/** `announcements`, `file:PATH`, or `flow-access:HOST:PORT[,HOST:PORT…]`; `undefined` for anything else. */
export function parseFeedSource(text: string): FeedSource | undefined {
  if (text === 'announcements') return { kind: 'announcements' }
  if (/^file:./.test(text)) return { kind: 'file', path: text.slice('file:'.length) }
  if (!text.startsWith('flow-access:')) return undefined
  const hosts = text
    .slice('flow-access:'.length)
    .split(',')
    .map((host) => host.trim())
  const isHost = (host: string): boolean => parseHostPort(host.replace(/^https:\/\//, '')) !== undefined
  if (hosts.length > MAX_HOSTS || new Set(hosts).size < hosts.length || !hosts.every(isHost)) return undefined
  return { kind: 'flow-access', hosts }
}
