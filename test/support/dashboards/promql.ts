import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'

/** One `name{label="value"}` of an expression. */
export interface Selector {
  readonly name: string
  /** Labels that it matches on. */
  readonly labels: readonly string[]
}

export interface Expression {
  readonly text: string
  readonly root: SyntaxNode
  /** False when it is no PromQL. */
  readonly valid: boolean
  readonly selectors: readonly Selector[]
  /** Names of its functions, as written. */
  readonly functions: readonly string[]
  /** Ranges as written, `$__rate_interval` for one. */
  readonly ranges: readonly string[]
}

/** What Grafana puts in place of its variables; lengths that a short run has samples for. */
const VARIABLES: readonly (readonly [RegExp, string])[] = [
  [/\$__rate_interval/g, '20s'],
  [/\$__interval/g, '5s'],
  [/\$__range/g, '1m']
]

/** The expression with Grafana's own variables and the dashboard's replaced by values. */
export function substitute(text: string, values: Readonly<Record<string, string>>): string {
  const own = VARIABLES.reduce((result, [pattern, value]) => result.replace(pattern, value), text)
  return own.replace(/\$([a-z_]+)/g, (whole, name: string) => values[name] ?? whole)
}

/** Parses an expression as it stands in a panel. */
export function parseExpression(text: string): Expression {
  const plain = substitute(text, {})
  const tree = parser.parse(plain)
  const selectors: Selector[] = []
  const functions: string[] = []
  let valid = plain.trim() !== ''
  tree.iterate({
    enter(ref) {
      if (ref.type.isError) valid = false
      const node = ref.node
      if (ref.name === 'VectorSelector') selectors.push(selectorOf(node, plain))
      if (ref.name === 'FunctionIdentifier' || ref.name === 'AggregateOp') functions.push(textOf(node, plain))
    }
  })
  const ranges = [...text.matchAll(/\[([^\]]+)\]/g)].map(([, range = '']) => range)
  const root = tree.topNode.firstChild ?? tree.topNode
  return { text: plain, root, valid, selectors, functions, ranges }
}

function selectorOf(node: SyntaxNode, text: string): Selector {
  const name = node.getChild('Identifier')
  const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []
  return {
    name: name === null ? '' : textOf(name, text),
    labels: matchers.flatMap((matcher) => matcher.getChildren('LabelName').map((label) => textOf(label, text)))
  }
}

export const textOf = (node: SyntaxNode, text: string): string => text.slice(node.from, node.to)
