/** This project's peer, until it is told to go bad; see README.md. */
import { Attack } from '#src/lab/hammer/attack.ts'
import { HOSTILE_MODES } from '#src/lab/hammer/attacks.ts'
import type { AttackInput, CalmOutput } from './commands.ts'
import { serveLines } from './line-protocol.ts'
import { close, commands, peer } from './sealsync-node.ts'

let attack: Attack | undefined

/** Begins one; ends at once. */
function begin(input: AttackInput): object {
  const { host, exchange } = peer()
  const mode = HOSTILE_MODES[input.mode]
  if (mode === undefined) throw new Error(`no mode '${input.mode}'`)
  attack = new Attack({ libp2p: host.libp2p, exchange, mode }, input)
  attack.start()
  return {}
}

async function calm(): Promise<CalmOutput> {
  const ended = attack
  attack = undefined
  return (await ended?.stop()) ?? { done: 0, shutOut: 0 }
}

await serveLines({ ...commands, attack: begin, calm }, async () => {
  await calm()
  await close()
})
