/** Runs `run` after the events that already wait have been handled: a port, so that simulations keep their own order. */
export type NextTurn = (run: () => void) => void

/** Node's own: after the poll phase, so that what arrived on sockets is read first. */
export const systemNextTurn: NextTurn = (run) => {
  setImmediate(run)
}
