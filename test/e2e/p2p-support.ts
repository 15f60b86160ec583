import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    })
  )
  const ports = servers.map((server) => {
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    return address.port
  })
  await Promise.all(servers.map((server: Server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Waits until the condition holds; gives up, with the condition's text, long after it should. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 1_500; round += 1) {
    if (await condition()) return
    await delay(20)
  }
  assert.fail(`never true: ${condition}`)
}
