// What the pages need to know of the sources that no value at run time tells: error codes, and constants that stay in their file.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseFileSync } from '@swc/core'

export const root = fileURLToPath(new URL('../..', import.meta.url))

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

/** A class derived from AppError, and the codes that its type argument allows. */
export interface ErrorClass {
  readonly name: string
  /** Relative to the repository. */
  readonly file: string
  /** `store`, `p2p`, …; `cmd` for the command line. */
  readonly room: string
  readonly codes: readonly string[]
  /** From the comments: what each code means. */
  readonly meanings: ReadonlyMap<string, string>
}

/** TypeScript files below a folder of the repository, relative to it. */
export function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort()
}

/** Every class of `src` and `cmd` that derives from AppError. */
export function errorClasses(): ErrorClass[] {
  return ['src', 'cmd'].flatMap(sourceFiles).flatMap((file) => errorClassesOf(file, join(root, file)))
}

/** The same for one file. */
export function errorClassesOf(file: string, path: string): ErrorClass[] {
  const text = readFileSync(path, 'utf8')
  if (!text.includes('extends AppError')) return []
  const statements = statementsOf(path)
  const scope = new Map(statements.flatMap(declared))
  const meanings = meaningsOf(text)
  return statements.flatMap((statement) => {
    const { superClass, superTypeParams, identifier } = statement as Node & Record<string, Node | undefined>
    if (statement.type !== 'ClassDeclaration' || superClass?.['value'] !== 'AppError') return []
    const name = String(identifier?.['value'])
    const argument = (superTypeParams?.['params'] as readonly Node[] | undefined)?.[0]
    if (argument === undefined) throw new Error(`${file}: ${name} does not say which codes it has`)
    const codes = literalsOf(argument, scope)
    const [only] = codes
    // A class with a single code says in its own comment what that means.
    const own = codes.length === 1 && only !== undefined ? [[only, classComment(text, name)] as const] : []
    const room = file.startsWith('cmd/') ? 'cmd' : (file.split('/')[1] ?? '')
    return [{ name, file, room, codes, meanings: new Map([...own, ...meanings]) }]
  })
}

/** The value of a numeric constant that is declared at the top of a file, exported or not. Throws when there is none. */
export function constantOf(file: string, name: string): number {
  const scope = new Map(statementsOf(join(root, file)).flatMap(declared))
  const value = numberOf(scope.get(name), scope)
  if (value === undefined) throw new Error(`${file} has no numeric constant ${name}`)
  return value
}

/** Top-level statements, with what is exported taken out of its export. */
function statementsOf(path: string): Node[] {
  const { body } = parseFileSync(path, { syntax: 'typescript', target: 'es2022' }) as unknown as { body: Node[] }
  return body.map((statement) =>
    statement.type === 'ExportDeclaration' ? (statement['declaration'] as Node) : statement
  )
}

/** Names that a statement declares: constants by their value, type aliases by their type. */
function declared(statement: Node): [string, Node][] {
  if (statement.type === 'TsTypeAliasDeclaration') {
    return [[String((statement['id'] as Node)['value']), statement['typeAnnotation'] as Node]]
  }
  if (statement.type !== 'VariableDeclaration') return []
  return (statement['declarations'] as readonly Node[]).flatMap(({ id, init }) =>
    init === undefined || init === null ? [] : [[String((id as Node)['value']), bare(init as Node)] as [string, Node]]
  )
}

/** An expression without what only the compiler or `Object.freeze` adds. */
function bare(node: Node): Node {
  if (['TsConstAssertion', 'TsSatisfiesExpression', 'TsAsExpression', 'ParenthesisExpression'].includes(node.type)) {
    return bare(node['expression'] as Node)
  }
  return node
}

type Scope = ReadonlyMap<string, Node>

/** The string literals of a union type, through aliases, `keyof typeof` an object and `(typeof list)[number]`. */
function literalsOf(type: Node, scope: Scope): string[] {
  switch (type.type) {
    case 'TsLiteralType':
      return [String((type['literal'] as Node)['value'])]
    case 'TsUnionType':
      return (type['types'] as readonly Node[]).flatMap((part) => literalsOf(part, scope))
    case 'TsParenthesizedType':
      return literalsOf(type['typeAnnotation'] as Node, scope)
    case 'TsTypeReference':
      return literalsOf(named(scope, type['typeName']), scope)
    case 'TsTypeOperator':
      return keysOf(named(scope, queried(type['typeAnnotation'] as Node)))
    case 'TsIndexedAccessType':
      return elementsOf(named(scope, queried(type['objectType'] as Node)))
    default:
      throw new Error(`a code union has a part that is not understood: ${type.type}`)
  }
}

function named(scope: Scope, name: unknown): Node {
  const found = scope.get(String((name as Node)['value']))
  if (found === undefined)
    throw new Error(`${String((name as Node)['value'])} is not declared in the file of its union`)
  return found
}

/** The name in `typeof name`. */
function queried(type: Node): unknown {
  return type.type === 'TsParenthesizedType' ? queried(type['typeAnnotation'] as Node) : type['exprName']
}

function keysOf(object: Node): string[] {
  return (object['properties'] as readonly Node[]).map(({ key }) => String((key as Node)['value']))
}

function elementsOf(list: Node): string[] {
  return (list['elements'] as readonly { readonly expression: Node }[]).map(({ expression }) =>
    String(expression['value'])
  )
}

function numberOf(node: Node | undefined, scope: Scope): number | undefined {
  if (node === undefined) return undefined
  if (node.type === 'NumericLiteral') return Number(node['value'])
  if (node.type === 'Identifier') return numberOf(scope.get(String(node['value'])), scope)
  if (node.type !== 'BinaryExpression') return undefined
  const left = numberOf(bare(node['left'] as Node), scope)
  const right = numberOf(bare(node['right'] as Node), scope)
  if (left === undefined || right === undefined) return undefined
  switch (node['operator']) {
    case '*':
      return left * right
    case '**':
      return left ** right
    case '+':
      return left + right
    default:
      return undefined
  }
}

/**
 * Code → meaning, from the two forms that the rooms use: a list in the comment above the union (``- `code`, `code`: meaning``),
 * and a comment before each member.
 */
function meaningsOf(text: string): Map<string, string> {
  const meanings = new Map<string, string>()
  for (const [comment, body = '', member] of text.matchAll(
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:\|\s*)?(?:'([a-z][a-z0-9-]*)'|(?=\S))/g
  )) {
    const plain = body.replace(/^\s*\* ?/gm, '').trim()
    if (member !== undefined) meanings.set(member, sentence(plain))
    for (const [, names = '', meaning = ''] of plain.matchAll(
      /^- ((?:`[a-z0-9-]+`(?:, )?)+): ([\s\S]*?)(?=\n- |\n\n|$(?![\s\S]))/gm
    )) {
      for (const [, name = ''] of names.matchAll(/`([a-z0-9-]+)`/g)) meanings.set(name, sentence(meaning))
    }
    const key = /^\s*([a-z][a-z0-9]*):/.exec(text.slice(text.indexOf(comment) + comment.length))?.[1]
    if (member === undefined && key !== undefined) meanings.set(key, sentence(plain))
  }
  return meanings
}

function classComment(text: string, name: string): string {
  const body = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*(?:export )?class ${name}\\b`).exec(text)?.[1] ?? ''
  return body === '' ? '' : sentence(body.replace(/^\s*\* ?/gm, ''))
}

/** One line, with a capital and a full stop. */
function sentence(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}${/[.!?]$/.test(line) ? '' : '.'}`
}
