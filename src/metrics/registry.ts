import { Registry } from 'prom-client'

/** A node's one registry; prom-client's global one is never used, so that two nodes in a process do not mix. */
export function createRegistry(): Registry {
  return new Registry()
}
