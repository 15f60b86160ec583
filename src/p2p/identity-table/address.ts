import { isIP } from 'node:net'

export interface HostPort {
  readonly host: string
  readonly port: number
}

const DNS_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i

/** Reads `host:port`, the host being an IPv4 address, a bracketed IPv6 address or a DNS name. `undefined` for anything else. */
export function parseHostPort(text: string, options: { readonly allowPortZero?: boolean } = {}): HostPort | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([^:[\]\s]{1,253})):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  const [, ip6, name] = match ?? []
  if (match === null || port > 65_535 || (port === 0 && options.allowPortZero !== true)) return undefined
  if (ip6 !== undefined) return isIP(ip6) === 6 ? { host: ip6, port } : undefined
  if (name === undefined) return undefined
  // A name of digits and dots alone is a mistyped address.
  if (isIP(name) !== 4 && (/^[\d.]+$/.test(name) || !DNS_NAME.test(name))) return undefined
  return { host: name, port }
}

/** `host:port`, with brackets where the host is an IPv6 address. */
export const formatHostPort = ({ host, port }: HostPort): string => (isIP(host) === 6 ? `[${host}]` : host) + `:${port}`

/**
 * `/ip4/…/tcp/…`, `/ip6/…/tcp/…` or `/dns4/…/tcp/…`, as flow-go `network/p2p/utils/p2putils.go` has it, except that an IPv6
 * address is written as one.
 */
export function toMultiaddrText({ host, port }: HostPort): string {
  const version = isIP(host)
  const kind = version === 4 ? 'ip4' : version === 6 ? 'ip6' : 'dns4'
  return `/${kind}/${host}/tcp/${port}`
}

/**
 * One text for each IP address: compressed lower case for IPv6, IPv4 for an address that came in by an IPv6 socket. Other
 * text comes back as it is.
 */
export function canonicalIp(text: string): string {
  if (isIP(text) !== 6) return text
  const ip = new URL(`http://[${text.split('%')[0]}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(ip)
  if (mapped === null) return ip
  const bits = Number.parseInt(mapped[1] ?? '', 16) * 65_536 + Number.parseInt(mapped[2] ?? '', 16)
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.')
}
