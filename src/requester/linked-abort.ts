/**
 * A controller of one's own that also aborts with `parent`. `unlink` must be called when the work has ended: unlike
 * `AbortSignal.any`, nothing then remains with the parent, which lives as long as the node.
 */
export function linkedAbort(parent: AbortSignal): {
  readonly controller: AbortController
  readonly unlink: () => void
} {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(parent.reason)
  if (parent.aborted) onAbort()
  else parent.addEventListener('abort', onAbort, { once: true })
  return { controller, unlink: () => parent.removeEventListener('abort', onAbort) }
}
