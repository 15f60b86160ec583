/**
 * What an expression is counted in, worked out from the names of its metrics: bytes and seconds as exponents, so that a rate of bytes
 * is bytes × seconds⁻¹ and a panel in the wrong unit is found without a server.
 */
import type { SyntaxNode } from '@lezer/common'
import { FLOW_UNITS } from '../../../build/docs/flow-metrics.ts'
import { RECORDING_RULES } from '../../../build/dashboards/recording.ts'
import { type Expression, textOf } from './promql.ts'

interface Dimension {
  readonly bytes: number
  readonly seconds: number
  /** flow-go's names count in milliseconds. */
  readonly milliseconds: number
}

const NONE: Dimension = { bytes: 0, seconds: 0, milliseconds: 0 }
const BYTES: Dimension = { ...NONE, bytes: 1 }
const SECONDS: Dimension = { ...NONE, seconds: 1 }
const MILLISECONDS: Dimension = { ...NONE, milliseconds: 1 }
const times = (a: Dimension, b: Dimension, sign = 1): Dimension => ({
  bytes: a.bytes + sign * b.bytes,
  seconds: a.seconds + sign * b.seconds,
  milliseconds: a.milliseconds + sign * b.milliseconds
})
const same = (a: Dimension, b: Dimension): boolean => nameOf(a) === nameOf(b)

/** By Grafana's names of units. */
const UNITS: Readonly<Record<string, Dimension>> = {
  short: NONE,
  none: NONE,
  percentunit: NONE,
  bytes: BYTES,
  s: SECONDS,
  ms: MILLISECONDS,
  Bps: times(BYTES, SECONDS, -1),
  ops: times(NONE, SECONDS, -1)
}

/** Numbers that carry a unit: a GiB, and the seconds of a minute. */
const NUMBERS: Readonly<Record<string, Dimension>> = { '1073741824': BYTES, '60': SECONDS }

/** Why the unit does not fit the expression; `undefined` when it does. */
export function unitFault(expression: Expression, unit: string): string | undefined {
  const expected = UNITS[unit]
  if (expected === undefined) return `unit ${unit} is none of ${Object.keys(UNITS).join(', ')}`
  const found = dimensionOf(expression.root, expression.text)
  if (found === undefined) return 'its terms are in different units'
  return same(found, expected) ? undefined : `unit ${unit}, but it is in ${nameOf(found)}`
}

function nameOf({ bytes, seconds, milliseconds }: Dimension): string {
  return `bytes^${bytes} seconds^${seconds} ms^${milliseconds}`
}

/** `undefined`: terms of different dimension are added or compared. */
function dimensionOf(node: SyntaxNode, text: string): Dimension | undefined {
  switch (node.name) {
    case 'ParenExpr':
    case 'StepInvariantExpr':
    case 'SubqueryExpr':
    case 'MatrixSelector':
    case 'OffsetExpr':
      return node.firstChild === null ? NONE : dimensionOf(node.firstChild, text)
    case 'UnaryExpr':
      return node.lastChild === null ? NONE : dimensionOf(node.lastChild, text)
    case 'NumberDurationLiteral':
      return NUMBERS[textOf(node, text)] ?? NONE
    case 'VectorSelector':
      return ofName(textOf(node.getChild('Identifier') ?? node, text))
    case 'AggregateExpr':
      return ofCall(textOf(node.getChild('AggregateOp') ?? node, text), node, text)
    case 'FunctionCall':
      return ofCall(textOf(node.getChild('FunctionIdentifier') ?? node, text), node, text)
    case 'BinaryExpr':
      return ofBinary(node, text)
    default:
      return NONE
  }
}

const ARGUMENTS = new Set([
  'VectorSelector',
  'MatrixSelector',
  'AggregateExpr',
  'FunctionCall',
  'BinaryExpr',
  'ParenExpr',
  'UnaryExpr',
  'NumberDurationLiteral'
])

function operands(node: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = []
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (ARGUMENTS.has(child.name)) found.push(child)
  }
  return found
}

function ofCall(name: string, node: SyntaxNode, text: string): Dimension | undefined {
  const body = node.getChild('FunctionCallBody')
  const all = body === null ? [] : operands(body)
  const inner = all.at(name === 'histogram_quantile' || name === 'quantile' || name === 'topk' ? 1 : 0)
  if (inner === undefined) return NONE
  switch (name) {
    case 'count':
    case 'changes':
    case 'absent':
    case 'count_over_time':
      return NONE
    case 'histogram_quantile':
      return ofHistogram(inner, text)
    case 'rate':
    case 'irate':
    case 'deriv': {
      const of = dimensionOf(inner, text)
      return of && times(of, SECONDS, -1)
    }
    default:
      return dimensionOf(inner, text)
  }
}

/** The unit of what a histogram observes, by the name of its buckets. */
function ofHistogram(node: SyntaxNode, text: string): Dimension {
  const name = /([a-z_:][a-z0-9_:]*)_bucket/.exec(textOf(node, text))?.[1] ?? ''
  return ofName(name)
}

function ofBinary(node: SyntaxNode, text: string): Dimension | undefined {
  const [left, right] = operands(node)
  if (left === undefined || right === undefined) return NONE
  const a = dimensionOf(left, text)
  if (node.getChild('And') || node.getChild('Or') || node.getChild('Unless')) return a
  const b = dimensionOf(right, text)
  if (a === undefined || b === undefined) return undefined
  if (node.getChild('Mul')) return times(a, b)
  if (node.getChild('Div')) return times(a, b, -1)
  // A bare number takes the unit of what it is added to or compared with.
  if (right.name === 'NumberDurationLiteral') return a
  if (left.name === 'NumberDurationLiteral') return b
  return same(a, b) ? a : undefined
}

function ofName(name: string): Dimension {
  const recorded = RECORDING_RULES.find(({ record }) => record === name)
  if (recorded !== undefined) return UNITS[recorded.unit] ?? NONE
  if (/_(?:bucket|count)$/.test(name)) return NONE
  const base = name.replace(/_(?:sum|total)$/, '')
  if (FLOW_UNITS.get(base) === 'bytes') return BYTES
  const words = base.split('_')
  if (words.includes('bytes')) return BYTES
  if (words.at(-1) === 'ms') return MILLISECONDS
  return words.includes('seconds') ? SECONDS : NONE
}
