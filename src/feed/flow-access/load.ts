import type { FlowAccessOptions } from '../options.ts'
import type { AccessHost } from './access-host.ts'

/** `HOST:PORT` or `https://HOST:PORT` each. gRPC is loaded only where it is used. */
export async function loadAccessHosts(
  addresses: readonly string[],
  options: Pick<FlowAccessOptions, 'maxAnswerBytes' | 'keepAliveMs'>
): Promise<AccessHost[]> {
  const { connectAccessHost } = await import('./connect-host.ts')
  return addresses.map((address) => connectAccessHost(address, options))
}
