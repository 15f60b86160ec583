import type { HttpCall } from './call.ts'

export type ListenerName = 'metrics' | 'api' | 'admin'
export type Method = 'GET' | 'HEAD' | 'POST'

/** One line of a listener's route table. */
export interface Route {
  /** The value of the metrics' label `route`. */
  readonly name: string
  readonly methods: readonly Method[]
  /** Absolute path; a segment `:name` matches any one non-empty segment, which `HttpCall.params` then has, undecoded. */
  readonly path: string
  /** True when the route reads a body; otherwise a request with one is refused. */
  readonly takesBody?: boolean
  /** Answers by exactly one of the call's answering methods, or throws: ApiError with a request code for a refusal. */
  handle(call: HttpCall): Promise<void>
}

export interface RouteMatch {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

function matchPath(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [at, expected] of pattern.entries()) {
    const segment = segments[at] ?? ''
    if (expected.startsWith(':')) {
      if (segment === '') return undefined
      params[expected.slice(1)] = segment
    } else if (segment !== expected) return undefined
  }
  return params
}

/** A route table; routes of one path may differ in methods. Throws a RangeError when two routes could answer one request. */
export class RouteTable {
  #routes: readonly { readonly route: Route; readonly pattern: readonly string[] }[]

  constructor(routes: readonly Route[]) {
    const seen = new Set<string>()
    for (const route of routes) {
      if (!route.path.startsWith('/')) throw new RangeError(`route path '${route.path}' must begin with a slash`)
      for (const method of route.methods) {
        const key = `${method} ${route.path.replace(/:[^/]+/g, ':')}`
        if (seen.has(key)) throw new RangeError(`two routes answer ${method} ${route.path}`)
        seen.add(key)
      }
    }
    this.#routes = routes.map((route) => ({ route, pattern: route.path.split('/') }))
  }

  /** The route of a path and method, or the methods that the path has: none when there is no such path. */
  find(method: string, path: string): RouteMatch | { readonly allowed: readonly Method[] } {
    const segments = path.split('/')
    const allowed: Method[] = []
    for (const { route, pattern } of this.#routes) {
      const params = matchPath(pattern, segments)
      if (params === undefined) continue
      if ((route.methods as readonly string[]).includes(method)) return { route, params }
      allowed.push(...route.methods)
    }
    return { allowed }
  }
}
