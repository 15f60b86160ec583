import { join } from 'node:path'
import { parseFileSync } from '@swc/core'
import { root, sourceFiles } from './source-facts.ts'

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

/** A line that the node writes at `warn` or `error`. */
export interface LogCall {
  readonly level: 'warn' | 'error'
  readonly message: string
  readonly file: string
}

/** Calls `….warn({…}, 'message')` and `….error({…}, 'message')` of the product's rooms; the lab has no log. */
export function logCalls(): LogCall[] {
  return sourceFiles('src')
    .filter((file) => !file.startsWith('src/lab/') && !file.startsWith('src/log/'))
    .flatMap((file) => {
      const calls: LogCall[] = []
      visit(parseFileSync(join(root, file), { syntax: 'typescript', target: 'es2022' }), (node) => {
        const call = callOf(node)
        if (call !== undefined) calls.push({ ...call, file })
      })
      return calls
    })
}

function callOf(node: Node): Omit<LogCall, 'file'> | undefined {
  if (node.type !== 'CallExpression') return undefined
  const callee = node['callee'] as Node
  const level = (callee['property'] as Node | undefined)?.['value']
  if (callee.type !== 'MemberExpression' || (level !== 'warn' && level !== 'error')) return undefined
  if (!['log', 'logger'].includes(nameOf(callee['object'] as Node))) return undefined
  const [, text] = (node['arguments'] as readonly { readonly expression: Node }[]).map(({ expression }) => expression)
  return text?.type === 'StringLiteral' ? { level, message: String(text['value']) } : undefined
}

/** `logger` of `logger`, `this.#components.logger` and the like. */
function nameOf(node: Node): string {
  return String(node.type === 'MemberExpression' ? (node['property'] as Node)['value'] : node['value'])
}

function visit(value: unknown, see: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, see)
  } else if (typeof value === 'object' && value !== null) {
    if (typeof (value as Node).type === 'string') see(value as Node)
    for (const field of Object.values(value)) visit(field, see)
  }
}
