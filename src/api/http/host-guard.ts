import { isIPv4, isIPv6 } from 'node:net'

/** True for `localhost`, 127.0.0.0/8 and `::1`, in brackets or not. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (name === 'localhost') return true
  return isIPv4(name) ? name.startsWith('127.') : isIPv6(name) && /^(0{0,4}:){2,7}0{0,3}1$/.test(name)
}

/** The host of a `Host` header without its port, lower case; `undefined` when it is malformed. */
export function hostOfHeader(header: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s/@]+)(?::\d{1,5})?$/.exec(header)
  return match?.[1]?.toLowerCase()
}

/**
 * Whether a listener bound to `boundHost` answers to this `Host` header. A missing header (HTTP/1.0) is let through: a browser,
 * which the guard is about, always sends one.
 */
export function hostAllowed(
  header: string | undefined,
  bound: { readonly host: string; readonly allowedHosts: readonly string[] }
): boolean {
  const loopback = isLoopbackHost(bound.host)
  if (header === undefined || (!loopback && bound.allowedHosts.length === 0)) return true
  const host = hostOfHeader(header)
  if (host === undefined) return false
  return isLoopbackHost(host) || bound.allowedHosts.some((allowed) => allowed.toLowerCase() === host)
}
