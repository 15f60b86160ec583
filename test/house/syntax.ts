// What the checks need to know of a source file beyond its text, read from the whole syntax tree.
import { parseFileSync } from '@swc/core'

/** One `import`, `export … from`, `import()` or `import('x')` type. */
export interface ModuleReference {
  readonly specifier: string
  readonly kind: 'import' | 'export' | 'dynamic' | 'type'
}

export interface SourceFacts {
  readonly references: readonly ModuleReference[]
  /** What is passed on by `export * from`. */
  readonly exportedWhole: readonly string[]
  /** How many `for await` loops there are. */
  readonly forAwaits: number
  /** How many `import()` calls whose argument is not a literal. */
  readonly computedImports: number
}

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

/** Reads one TypeScript or JavaScript file. Throws on a syntax error. */
export function readSource(path: string): SourceFacts {
  const references: ModuleReference[] = []
  const exportedWhole: string[] = []
  const facts = { forAwaits: 0, computedImports: 0 }
  visit(parseFileSync(path, { syntax: 'typescript', decorators: true, target: 'es2022' }), (node) => {
    const source = textOf(node['source'])
    if (node.type === 'ImportDeclaration' && source !== undefined)
      references.push({ specifier: source, kind: 'import' })
    if (node.type.startsWith('Export') && source !== undefined) references.push({ specifier: source, kind: 'export' })
    if (node.type === 'ExportAllDeclaration' && source !== undefined) exportedWhole.push(source)
    if (node.type === 'ForOfStatement' && Boolean(node['await'])) facts.forAwaits += 1
    if (node.type === 'TsImportType') {
      references.push({ specifier: textOf(node['argument']) ?? '', kind: 'type' })
    }
    if (node.type === 'CallExpression' && (node['callee'] as Node).type === 'Import') {
      const specifier = textOf((node['arguments'] as readonly { expression: Node }[])[0]?.expression)
      if (specifier === undefined) facts.computedImports += 1
      else references.push({ specifier, kind: 'dynamic' })
    }
  })
  return { references, exportedWhole, ...facts }
}

function textOf(node: unknown): string | undefined {
  const { type, value } = (node ?? {}) as { type?: string; value?: unknown }
  return type === 'StringLiteral' && typeof value === 'string' ? value : undefined
}

function visit(value: unknown, see: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, see)
  } else if (typeof value === 'object' && value !== null) {
    if (typeof (value as Node).type === 'string') see(value as Node)
    for (const field of Object.values(value)) visit(field, see)
  }
}
