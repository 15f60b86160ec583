import type { ComponentLogger, Logger } from '@libp2p/interface'

const nothing = (): void => {}
const silent: Logger = Object.assign(nothing, {
  error: nothing,
  trace: nothing,
  enabled: false,
  newScope: (): Logger => silent
})

/** libp2p writes a line for each frame; formatting the names of scopes alone costs memory on every stream. */
export const silentComponentLogger: ComponentLogger = { forComponent: () => silent }
