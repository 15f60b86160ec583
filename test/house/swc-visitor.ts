// dependency-cruiser reads files with the visitor that swc brings and no longer keeps up: it throws at a `using` declaration.
// This teaches it that statement, for every cruise in this process. It can go when the cruiser reads `using` by itself; until then
// the layers check would stop with "Unknown statement type".
import { Visitor } from '@swc/core/Visitor.js'

interface UsingDeclaration {
  readonly type: 'UsingDeclaration'
  decls: Parameters<Visitor['visitVariableDeclarators']>[0]
}

type Statement = Parameters<Visitor['visitStatement']>[0]

const { visitStatement } = Visitor.prototype as {
  visitStatement: (this: Visitor, statement: Statement) => Statement
}

Visitor.prototype.visitStatement = function visit(this: Visitor, statement: Statement | UsingDeclaration): Statement {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement)
  statement.decls = this.visitVariableDeclarators(statement.decls)
  return statement as unknown as Statement
}
